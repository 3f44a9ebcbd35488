"""The page in which a person asks a served model."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Ask the model</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
label { display: grid; grid-template-columns: 14rem 1fr; gap: 1rem; margin: .4rem 0; }
input { font: inherit; padding: .2rem .4rem; min-width: 0; }
span { overflow-wrap: anywhere; }
output { display: block; margin: 1rem 0; font-weight: 600; white-space: pre-line; }
small { color: #666; }
button { font: inherit; padding: .3rem 1rem; }
@media (max-width: 34rem) { label { grid-template-columns: 1fr; gap: 0; } }
</style>
</head>
<body>
<h1>Ask the model</h1>
<form><div id="columns"></div><button>Predict</button></form>
<output id="answer" aria-live="polite"></output>
<script>
const form = document.querySelector("form");
const answer = document.getElementById("answer");
fetch("schema").then(response => response.json()).then(schema => {
  for (const input of schema.inputs) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const kind = document.createElement("small");
    const field = document.createElement("input");
    name.textContent = input.name + " ";
    const separated = input.separator ? ", separated by '" + input.separator + "'" : "";
    kind.textContent = input.kind + separated;
    name.append(kind);
    field.name = input.name;
    label.append(name, field);
    document.getElementById("columns").append(label);
  }
});
form.addEventListener("submit", async event => {
  event.preventDefault();
  const row = {};
  for (const field of form.querySelectorAll("input")) {
    row[field.name] = field.value === "" ? null : field.value;
  }
  try {
    const response = await fetch("predict", {
      method: "POST",
      headers: {"content-type": "application/json"},
      body: JSON.stringify({rows: [row]}),
    });
    const found = await response.json();
    answer.textContent = found.error ?? Object.entries(found.predictions)
      .map(([label, values]) => label + ": " + values[0].toFixed(6)).join("\\n");
  } catch {
    answer.textContent = "The server does not answer.";
  }
});
</script>
</body>
</html>
"""
