"""FuxiCTR's baselines once more, in float64 numpy, straight from their state dicts.

Written from the equations, module by module, with PyTorch's own names and layout, so that it shares
nothing with the layers under test.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    exponents = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def linear(state, name, x):
    y = x @ state[f"{name}.weight"].T
    return y + state[f"{name}.bias"] if f"{name}.bias" in state else y


def normalize(x, mean, variance, epsilon):
    return (x - mean) / np.sqrt(variance + epsilon)


def layer_norm(state, name, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return normalize(x, mean, variance, 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]


def dice(state, name, x):
    statistics = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
    p = sigmoid(normalize(x, *statistics, 1e-9))
    return p * x + state[f"{name}.alpha"] * (1 - p) * x


def per_layer(value, units):
    return value if isinstance(value, list) else [value] * len(units)


def mlp(config, state, name, x, units, activations="dnn_activations"):
    """`MLP_Block` in evaluation: modules are numbered, whether they hold weights or not."""
    functions = {
        "ReLU": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "Softmax": softmax,
        "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    }
    position = 0
    for activation, rate in zip(
        per_layer(config.get(activations, "ReLU"), units),
        per_layer(config.get("net_dropout", 0), units),
        strict=True,
    ):
        x = linear(state, f"{name}.{position}", x)
        position += 1
        if config.get("batch_norm"):
            norm = f"{name}.{position}"
            x = normalize(x, state[f"{norm}.running_mean"], state[f"{norm}.running_var"], 1e-5)
            x = x * state[f"{norm}.weight"] + state[f"{norm}.bias"]
            position += 1
        if activation == "Dice":
            x = dice(state, f"{name}.{position}", x)
        elif activation == "PReLU":
            x = np.where(x > 0, x, state[f"{name}.{position}.weight"] * x)
        elif activation is not None:
            x = functions[activation](x)
        position += (activation is not None) + (rate > 0)
    return linear(state, f"{name}.{position}", x) if f"{name}.{position}.weight" in state else x


def embed(config, state, inputs, prefix=""):
    prefix = f"{prefix}embedding_layer.embedding_layer.embedding_layers."
    fields = [
        inputs[f"I{i}"][:, None] * state[f"{prefix}I{i}.weight"][:, 0]
        for i in range(1, config["num_numeric"] + 1)
    ]
    sizes = config["vocabulary_sizes"]
    fields += [state[f"{prefix}C{i}.weight"][inputs[f"C{i}"]] for i in range(1, len(sizes) + 1)]
    return np.stack(fields, axis=1)


def logistic_regression(config, state, inputs):
    return embed(config, state, inputs, "lr_layer.").sum(axis=1)


def cross_net(config, state, x):
    first = x
    for index in range(config.get("num_cross_layers", 3)):
        x = x + first * linear(state, f"crossnet.cross_layers.{index}", x)
    return x


def cross_net_mix(config, state, x):
    first = x
    for index in range(config.get("num_cross_layers", 3)):
        experts = range(config.get("num_experts", 4))
        gates = softmax(np.hstack([linear(state, f"crossnet.gating.{e}", x) for e in experts]))
        v, c, u = (state[f"crossnet.{kind}_list.{index}"] for kind in "VCU")
        outputs = [
            first
            * (np.tanh(np.tanh(x @ v[e]) @ c[e].T) @ u[e].T + state[f"crossnet.bias.{index}"].T)
            for e in experts
        ]
        x = x + sum(gates[:, [e]] * outputs[e] for e in experts)
    return x


def dnn(config, state, inputs):
    x = embed(config, state, inputs).reshape(len(inputs["C1"]), -1)
    return mlp(config, state, "mlp.mlp", x, config["hidden_units"], "hidden_activations")


def dcn_v2(config, state, inputs):
    x = embed(config, state, inputs).reshape(len(inputs["C1"]), -1)
    cross = cross_net_mix if config.get("use_low_rank_mixture") else cross_net
    structure = config.get("model_structure", "parallel")
    output = cross(config, state, x)
    if "stacked" in structure:
        units = config["stacked_dnn_hidden_units"]
        output = mlp(config, state, "stacked_dnn.mlp", output, units)
    if "parallel" in structure:
        units = config["parallel_dnn_hidden_units"]
        output = np.hstack([output, mlp(config, state, "parallel_dnn.mlp", x, units)])
    return linear(state, "fc", output)


def deep(config, state, embeddings):
    units = config.get("dnn_hidden_units", [64, 64, 64])
    flat = embeddings.reshape(len(embeddings), -1)
    return mlp(config, state, "dnn.mlp", flat, units) if units else 0


def xdeepfm(config, state, inputs):
    embeddings = embed(config, state, inputs)
    current, sums = embeddings, []
    for index in range(1, len(config["cin_hidden_units"]) + 1):
        products = np.einsum("bhd,bmd->bhmd", embeddings, current)
        products = products.reshape(len(products), -1, products.shape[-1])
        name = f"cin.cin_layer.layer_{index}"
        current = np.einsum("bcd,nc->bnd", products, state[f"{name}.weight"][:, :, 0])
        current = current + state[f"{name}.bias"][:, None]
        sums.append(current.sum(axis=-1))
    cin = linear(state, "cin.fc", np.hstack(sums))
    return logistic_regression(config, state, inputs) + cin + deep(config, state, embeddings)


def attention(config, state, name, x):
    heads = config.get("num_heads", 1)
    parts = [np.split(linear(state, f"{name}.W_{kind}", x), heads, axis=-1) for kind in "qkv"]
    outputs = []
    for query, key, value in zip(*parts, strict=True):
        scores = query @ key.transpose(0, 2, 1)
        if config.get("use_scale"):
            scores = scores / np.sqrt(query.shape[-1])
        outputs.append(softmax(scores) @ value)
    output = np.concatenate(outputs, axis=-1)
    if config.get("use_residual", True):
        has_map = f"{name}.W_res.weight" in state
        output = output + (linear(state, f"{name}.W_res", x) if has_map else x)
    if config.get("layer_norm"):
        output = layer_norm(state, f"{name}.layer_norm", output)
    return np.maximum(output, 0)


def autoint(config, state, inputs):
    embeddings = embed(config, state, inputs)
    x = embeddings
    for index in range(config.get("attention_layers", 2)):
        x = attention(config, state, f"self_attention.{index}", x)
    logits = linear(state, "fc", x.reshape(len(x), -1)) + deep(config, state, embeddings)
    if config.get("use_wide"):
        logits = logits + logistic_regression(config, state, inputs)
    return logits


MODELS = {"DNN": dnn, "DCNv2": dcn_v2, "xDeepFM": xdeepfm, "AutoInt": autoint}


def logits(config, state, inputs):
    """Logits of a model in evaluation, float64."""
    state = {name: np.asarray(value, "float64") for name, value in state.items()}
    return MODELS[config["model"]](config, state, inputs)
