"""The page of a served model, in a browser."""

import html
import json
import re
import shutil
import subprocess

import pytest
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.serving.servers import running
from tests.serving.test_bodies import expected

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(
        not (shutil.which("chromium") or shutil.which("chromium-browser")),
        reason="Chromium is not installed",
    ),
]

# A person with a window of 380 pixels, who sends a wrong row, and then a right one.
PERSON = """
<body><iframe src="/" style="border:0;width:380px;height:700px"></iframe>
<pre id="seen"></pre><script>
const frame = document.querySelector("iframe");
const until = async (truth) => {
  while (!truth()) await new Promise((done) => setTimeout(done, 10));
};
frame.onload = async () => {
  const page = frame.contentDocument;
  const answer = page.querySelector("output");
  await until(() => page.querySelectorAll("input").length === 4);
  const ask = async (row) => {
    answer.textContent = "";
    for (const [name, value] of Object.entries(row)) {
      page.querySelector(`input[name=${name}]`).value = value;
    }
    page.querySelector("button").click();
    await until(() => answer.textContent);
    return answer.textContent;
  };
  const row = {user: "ann", item: "many", price: "0.25", history: "1^3"};
  const wrong = await ask(row);
  const right = await ask({...row, item: "1"});
  document.querySelector("#seen").textContent = JSON.stringify({
    wrong, right,
    labels: [...page.querySelectorAll("label")].map((label) => label.innerText.trim()),
    inner: page.documentElement.clientWidth,
    needed: page.documentElement.scrollWidth,
  });
};
</script></body>
"""


@pytest.mark.timeout(120)
def test_a_person_fills_in_a_row_and_sees_the_probability(tmp_path):
    async def person(request):
        return HTMLResponse(PERSON)

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with running(routes=[Route("/person", person)]) as port:
        done = subprocess.run(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"),
                *("--virtual-time-budget=20000", "--dump-dom", f"http://127.0.0.1:{port}/person"),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
    text = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL).group(1)
    assert text, done.stderr[-1000:]
    seen = json.loads(html.unescape(text))
    probability = expected([{"user": "ann", "item": 1, "price": 0.25, "history": [1, 3]}])[0]
    assert seen["right"] == f"click: {probability:.6f}"
    assert seen["wrong"].startswith("Row 0, column 'item': expected a whole number")
    assert seen["labels"][0].split() == ["user", "text"]
    assert seen["labels"][3].split() == ["history", "integers,", "separated", "by", "'^'"]
    assert seen["needed"] == seen["inner"] == 380
