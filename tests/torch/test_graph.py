"""Graphs of real architectures: operators, nesting, shapes and names of each."""

from __future__ import annotations

import pytest
import torch
from eventwriter_torch.graph import build
from graph_models import (
    MLP,
    Branching,
    DictNet,
    Encoder,
    ResNet,
    Tagger,
    UNet,
    check,
    inputs,
    names,
    node,
    operators,
    scopes,
    script,
    shapes,
)
from torch import nn


def graph_of(*args, **kwargs):
    built = build(*args, **kwargs)
    assert built is not None
    check(built[0])
    return built[0]


def test_mlp() -> None:
    """Operators in their modules, by what flows into them, and nothing else."""
    graph = graph_of(MLP(), torch.zeros(2, 4))
    assert names(graph) == [
        "x",
        "net/0/weight",
        "net/0/bias",
        "net/0/linear",
        "net/1/relu",
        "net/2/dropout",
        "net/3/weight",
        "net/3/bias",
        "net/3/linear",
        "output",
    ]
    assert operators(graph) == {"aten::linear": 2, "aten::relu": 1, "aten::dropout": 1}
    assert inputs(graph, "net/0/linear") == ["x", "net/0/weight", "net/0/bias"]
    assert inputs(graph, "output") == ["net/3/linear"]
    assert shapes(graph, "net/0/linear") == [[2, 8]]
    assert shapes(graph, "net/3/linear") == [[2, 2]]


def test_what_a_node_says() -> None:
    """An operator has its module, its settings and the count of its parameters; a parameter shape and dtype."""
    graph = graph_of(MLP(), torch.zeros(2, 4))
    linear = node(graph, "net/0/linear")
    assert linear.attr["module"].s == b"Linear(in_features=4, out_features=8, bias=True)"
    assert linear.attr["parameters"].i == linear.attr["module_parameters"].i == 4 * 8 + 8
    assert linear.device == "/device:CPU:0"
    assert node(graph, "net/2/dropout").attr["train"].b is False
    assert node(graph, "net/2/dropout").attr["p"].f == 0.5
    weight = node(graph, "net/0/weight")
    assert weight.op == "Parameter"
    assert [dim.size for dim in weight.attr["shape"].shape.dim] == [8, 4]
    assert weight.attr["dtype"].type == 1  # DT_FLOAT
    assert weight.attr["trainable"].b is True
    output = node(graph, "output")
    assert output.attr["model"].s == b"MLP"
    assert output.attr["model_parameters"].i == sum(p.numel() for p in MLP().parameters())


def test_resnet() -> None:
    """Blocks nest; a residual comes in from outside; each call of a shared module is a scope of its own."""
    graph = graph_of(ResNet(), torch.zeros(1, 3, 32, 32))
    assert operators(graph) == {
        "aten::conv2d": 10,
        "aten::batch_norm": 10,
        "aten::relu_": 9,
        "aten::add": 4,
        "aten::max_pool2d": 1,
        "aten::adaptive_avg_pool2d": 1,
        "aten::flatten": 1,
        "aten::linear": 1,
    }
    assert {"layer1", "layer1/0", "layer1/0/conv1", "layer2/0/down/0", "layer2/0/down/1", "fc"} <= scopes(names(graph))
    assert inputs(graph, "layer1/0/add") == ["layer1/0/bn2/batch_norm", "maxpool/max_pool2d"]
    assert inputs(graph, "layer1/0/relu[1]/relu") == ["layer1/0/add"]
    assert inputs(graph, "layer2/0/add") == ["layer2/0/bn2/batch_norm", "layer2/0/down/1/batch_norm"]
    assert shapes(graph, "conv1/conv2d") == [[1, 8, 16, 16]]
    assert shapes(graph, "layer2/0/down/0/conv2d") == [[1, 16, 4, 4]]
    assert shapes(graph, "fc/linear") == [[1, 10]]
    assert list(node(graph, "layer2/0/conv1/conv2d").attr["stride"].list.i) == [2, 2]
    assert node(graph, "bn1/running_mean").op == "Buffer"
    assert node(graph, "bn1/weight").attr["trainable"].b is False


def test_lstm() -> None:
    """The recurrent operator takes every weight and gives three outputs, of which the second is used too."""
    graph = graph_of(Tagger(), torch.zeros(2, 7, dtype=torch.long))
    assert operators(graph) == {"aten::embedding": 1, "aten::zeros": 2, "aten::lstm": 1, "aten::linear": 1}
    assert len(inputs(graph, "rnn/lstm")) == 1 + 2 + 16
    assert {"rnn/weight_ih_l0", "rnn/bias_hh_l1_reverse"} <= set(inputs(graph, "rnn/lstm"))
    assert shapes(graph, "rnn/lstm") == [[2, 7, 10], [4, 2, 5], [4, 2, 5]]
    assert inputs(graph, "output/1") == ["rnn/lstm:1"]
    assert node(graph, "tokens").attr["dtype"].type == 9  # DT_INT64


def test_transformer_encoder() -> None:
    """Its operators, and not the one fused operator that it uses in eval mode; torch's own cannot draw it."""
    graph = graph_of(Encoder(), torch.zeros(2, 3, 8))
    count = operators(graph)
    assert count["aten::scaled_dot_product_attention"] == 2
    assert count["aten::layer_norm"] == 4
    assert count["aten::linear"] == 2 * 4
    assert "aten::_transformer_encoder_layer_fwd" not in count
    assert {"encoder/layers/0/self_attn/out_proj", "encoder/layers/1/norm2"} <= scopes(names(graph))
    assert shapes(graph, "encoder/layers/1/norm2/layer_norm") == [[2, 3, 8]]
    assert inputs(graph, "encoder/layers/0/add") == ["src", "encoder/layers/0/dropout1/dropout"]


def test_unet() -> None:
    """Skip connections go around; functional operators are told apart, and not by numbers that would be folded."""
    graph = graph_of(UNet(), torch.zeros(2, 1, 16, 16))
    assert operators(graph) == {
        "aten::conv2d": 5,
        "aten::conv_transpose2d": 2,
        "aten::relu": 4,
        "aten::max_pool2d": 2,
        "aten::cat": 2,
    }
    assert inputs(graph, "cat") == ["up2/conv_transpose2d", "relu[1]"]
    assert inputs(graph, "cat[1]") == ["up1/conv_transpose2d", "relu"]
    assert shapes(graph, "cat[1]") == [[2, 8, 16, 16]]
    assert node(graph, "cat").attr["dim"].i == 1


def test_dict_in_and_out() -> None:
    """Inputs and outputs are named by arguments and keys; what is no tensor is left out."""
    batch = {"x": torch.zeros(2, 4), "y": torch.zeros(1)}
    graph = graph_of(DictNet(), (batch, 2.0), kwargs={"shift": torch.zeros(3), "softmax": True})
    assert [n.name for n in graph.node if n.op == "Input"] == ["batch/x", "batch/y", "shift"]
    assert [n.name for n in graph.node if n.op == "Output"] == ["output/logits", "output/extra/0", "output/extra/1"]
    assert inputs(graph, "output/logits") == ["softmax"]
    assert operators(graph) == {"aten::linear": 1, "aten::mul": 1, "aten::add": 2, "aten::softmax": 1, "aten::sum": 1}
    assert node(graph, "mul").attr["other"].f == 2.0


def test_data_dependent_control_flow() -> None:
    """A trace shows the way that this input takes."""
    graph = graph_of(Branching(), torch.ones(2, 4))
    assert operators(graph) == {"aten::linear": 1, "aten::select": 2, "aten::mul": 2, "aten::stack": 1}
    assert "positive/linear" in names(graph)
    other = graph_of(Branching(), -torch.ones(2, 4))
    assert {"negative/linear", "relu"} <= set(names(other))


@pytest.mark.parametrize(("value", "positive", "negative"), [(None, None, None), (1, [2, 4], None), (-1, None, [2, 4])])
def test_data_dependent_control_flow_scripted(value, positive, negative) -> None:
    """A script shows both ways and the loop, each in a scope, with shapes of what runs for the input."""
    graph = graph_of(script(Branching()), None if value is None else torch.full((2, 4), float(value)))
    assert operators(graph)["prim::If"] == 1
    assert {"gt", "positive/linear"} <= set(inputs(graph, "if/merge"))
    assert "loop/body/select" in names(graph)
    assert inputs(graph, "stack") == ["loop/body/mul"]
    assert shapes(graph, "stack") == [positive or negative]
    assert (shapes(graph, "positive/linear"), shapes(graph, "negative/linear")) == ([positive], [negative])


@pytest.mark.parametrize("wrap", ["compile", "parallel", "both", "compiled child", "module.compile"])
def test_wrapped(wrap: str) -> None:
    """torch.compile and DataParallel leave no trace in the graph, inside the model or around it."""
    plain, model = MLP(), MLP()
    if wrap == "compile":
        model = torch.compile(model, backend="eager")
    elif wrap == "parallel":
        model = nn.DataParallel(model)
    elif wrap == "both":
        model = nn.DataParallel(torch.compile(model, backend="eager"))
    elif wrap == "compiled child":
        model.net = torch.compile(model.net, backend="eager")
    else:
        model.net.compile(backend="eager")
    assert graph_of(plain, torch.zeros(2, 4)) == graph_of(model, torch.zeros(2, 4))


def test_a_shared_parameter_is_one_node() -> None:
    """Tied weights are drawn once, in the module that has them first."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    graph = graph_of(Tied(), torch.zeros(2, dtype=torch.long))
    assert [n.name for n in graph.node if n.op == "Parameter"] == ["embed/weight"]
    assert inputs(graph, "head/linear") == ["embed/embedding", "embed/weight"]


def test_constants() -> None:
    """A tensor written in the code is a constant beside its consumer; a number is an attribute."""
    graph = graph_of(lambda x: (x * torch.tensor([1.0, 2.0]) + 3) * 0.5, torch.zeros(2))
    assert operators(graph) == {"aten::mul": 2, "aten::add": 1}
    assert inputs(graph, "mul") == ["x", "constant"]
    constant = node(graph, "constant")
    assert (constant.op, shapes(graph, "constant")) == ("Const", [[2]])
    assert constant.attr["dtype"].type == 1
    assert node(graph, "add").attr["other"].i == 3
    assert node(graph, "mul[1]").attr["other"].f == 0.5


def test_arithmetic_on_sizes_is_not_drawn() -> None:
    """`view(size(0) * size(1), -1)` is one operator, with the numbers it was called with."""
    graph = graph_of(lambda x: x.view(x.size(0) * x.shape[1], -1) + x.numel(), torch.zeros(2, 3, 4))
    assert operators(graph) == {"aten::view": 1, "aten::add": 1}
    assert list(node(graph, "view").attr["size"].list.i) == [6, -1]


def test_a_name_that_is_a_module_too() -> None:
    """Inputs, outputs and operators named like a module are not drawn inside of it."""

    class Collision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.Linear(2, 2)
            self.output = nn.Linear(2, 2)
            self.pair = nn.Linear(2, 2)

        def forward(self, relu, pair):
            return torch.relu(self.relu(relu)), self.output(self.pair(pair["a"]))

    graph = graph_of(Collision(), (torch.zeros(1, 2), {"a": torch.zeros(1, 2)}))
    assert [n.name for n in graph.node if n.op == "Input"] == ["relu[1]", "pair_/a"]
    assert [n.name for n in graph.node if n.op == "Output"] == ["output_/0", "output_/1"]
    assert inputs(graph, "output_/0") == ["relu[2]"]


def test_names_that_the_page_cannot_show() -> None:
    """Other letters than ASCII in module and argument names are replaced, and names stay unique."""
    model = nn.ModuleDict({"größe": nn.Linear(2, 2), "gr__e": nn.Linear(2, 2)})

    def run(été):
        return model["größe"](été) + model["gr__e"](été)

    graph = graph_of(run, torch.zeros(1, 2))
    assert operators(graph) == {"aten::linear": 2, "aten::add": 1}


def test_text_that_the_page_cannot_show() -> None:
    """Quotes, backslashes, line breaks and other letters in what a module says of itself are replaced."""

    class Told(nn.Linear):
        def extra_repr(self) -> str:
            return "path='C:\\data'\nname=\"größe\" " + "very " * 500

    module = node(graph_of(nn.Sequential(Told(2, 2)), torch.zeros(1, 2)), "0/linear").attr["module"].s.decode()
    assert module.startswith("Told(path=`C:/data` name=`gr??e` very very")
    assert len(module) == 400 and module.endswith("...")


def test_a_module_that_cannot_say_what_it_is() -> None:
    """An `extra_repr` that fails costs only the text."""

    class Mute(nn.Linear):
        def extra_repr(self) -> str:
            raise RuntimeError("no")

    assert node(graph_of(nn.Sequential(Mute(2, 2)), torch.zeros(1, 2)), "0/linear").attr["module"].s == b"Mute"
