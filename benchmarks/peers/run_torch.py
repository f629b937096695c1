"""PyTorch, eager or compiled: the same networks, losses and optimisers.

What ours does besides (clipping, moving average of the weights, norms for the log) is left out.
"""
# pyright: reportMissingImports=false

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from steps import CLASSES, DROPOUT, Work, cores, measure, options, random_batch, random_patterns
from torch import Tensor, nn
from torch_networks import NOISE_LENGTH, Discriminator, Generator, Layout
from weights import Arrays, below, from_torch, read_arrays, to_torch, torch_name, write_arrays

_RATES = {"supervised": 2e-3, "unsupervised": 1e-4, "generator": 1e-4}


def main() -> None:
    """Measures PyTorch."""
    chosen = options()
    torch.set_num_threads(cores())
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    if chosen.task == "check":
        write_arrays(chosen.out, all_results(chosen, read_arrays(chosen.exchange)))
        return
    make = {"supervised": supervised, "sgan": sgan, "inference": inference}[chosen.task]
    on_gpu = chosen.device == "gpu"
    measure(
        lambda size: make(chosen, size),
        chosen,
        torch.__version__,
        torch.cuda.get_device_name() if on_gpu else "cpu",
        torch.cuda.max_memory_allocated if on_gpu else None,
    )


@dataclass
class Players:
    """Discriminator and generator where they compute.

    Attributes:
        chosen: The command line.
        dropout: In the discriminator.
        device: Where both are.
        discriminator: The network.
        generator: The network.
        discriminate: The discriminator, compiled if so chosen.
        generate: The generator, compiled if so chosen.
    """

    chosen: argparse.Namespace
    dropout: float = DROPOUT
    device: torch.device = field(init=False)
    discriminator: Discriminator = field(init=False)
    generator: Generator = field(init=False)
    discriminate: Callable[[Tensor], Tensor] = field(init=False)
    generate: Callable[[Tensor], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        layout = Layout(self.chosen.channels_last)
        self.device = torch.device("cuda" if self.chosen.device == "gpu" else "cpu")
        self.discriminator = Discriminator(CLASSES, self.dropout, not self.chosen.no_pool, layout)
        self.generator = Generator(layout)
        for network in (self.discriminator, self.generator):
            order = torch.channels_last if layout.channels_last else torch.contiguous_format
            network.to(self.device, memory_format=order)
        compile_ = torch.compile if self.chosen.compiled else lambda network: network
        self.discriminate = compile_(self.discriminator)
        self.generate = compile_(self.generator)

    def tensors(self, arrays: Arrays) -> dict[str, Tensor]:
        """Arrays of the host as tensors on the device."""
        return {name: torch.as_tensor(array).to(self.device) for name, array in arrays.items()}

    @property
    def network_of_loss(self) -> dict[str, nn.Module]:
        """Whose weights the gradient of each loss is taken by."""
        return {
            "supervised": self.discriminator,
            "unsupervised": self.discriminator,
            "generator": self.generator,
        }

    def wait(self) -> None:
        """Returns when the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def adam(self, name: str, network: nn.Module) -> torch.optim.Adam:
        """The optimiser of a loss."""
        return torch.optim.Adam(network.parameters(), lr=_RATES[name], fused=True)


def supervised(chosen: argparse.Namespace, size: int) -> Work:
    """Cross-entropy, its gradient, Adam."""
    players = Players(chosen)
    optimizer = players.adam("supervised", players.discriminator)
    host = random_batch("supervised", size)
    host["label"] = host["label"].astype(np.int64)

    def step() -> None:
        batch = players.tensors(host)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(players.discriminate(batch["pattern"]), batch["label"]).backward()
        optimizer.step()

    return Work(step, players.wait, size)


def sgan(chosen: argparse.Namespace, size: int) -> Work:
    """Three losses and their gradients at the same weights, three Adam states."""
    players = Players(chosen)
    networks = players.network_of_loss
    optimizers = {name: players.adam(name, network) for name, network in networks.items()}
    host = random_batch("sgan", size)
    host["label"] = host["label"].astype(np.int64)

    def step() -> None:
        batch = players.tensors(host)
        noise = torch.randn(size, NOISE_LENGTH, device=players.device)
        _, _, gradients = losses_and_gradients(players, batch, noise)
        for name, network in networks.items():
            for weight, gradient in zip(network.parameters(), gradients[name], strict=True):
                weight.grad = gradient
            optimizers[name].step()

    return Work(step, players.wait, 2 * size)


def losses_and_gradients(
    players: Players, batch: dict[str, Tensor], noise: Tensor
) -> tuple[Tensor, dict[str, Tensor], dict[str, Sequence[Tensor]]]:
    """Logits of the labelled patterns, the three losses, and the gradient of each.

    The generator runs forward once, the discriminator once over each kind of pattern.
    """
    logits = players.discriminate(batch["pattern"])
    real = players.discriminate(batch["unlabelled"]).logsumexp(1)
    fake = players.discriminate(players.generate(noise)).logsumexp(1)
    losses = {
        "supervised": F.cross_entropy(logits, batch["label"]),
        "unsupervised": (F.softplus(-real) + F.softplus(fake)).mean(),
        "generator": F.softplus(-fake).mean(),
    }
    weights = tuple(players.discriminator.parameters())
    generator_weights = tuple(players.generator.parameters())
    grad = torch.autograd.grad
    gradients = {
        "supervised": grad(losses["supervised"], weights),
        "generator": grad(losses["generator"], generator_weights, retain_graph=True),
        "unsupervised": grad(losses["unsupervised"], weights),
    }
    return logits, losses, gradients


def inference(chosen: argparse.Namespace, size: int) -> Work:
    """Class logits of a batch, in the host's memory."""
    players = Players(chosen)
    players.discriminator.eval()
    host = {"pattern": random_patterns(size)}

    def step() -> None:
        with torch.inference_mode():
            players.discriminate(players.tensors(host)["pattern"]).cpu()

    return Work(step, players.wait, size)


# ---------------------------------------------------------------- comparison of results


def all_results(chosen: argparse.Namespace, ours: Arrays) -> Arrays:
    """Returns what this side makes of our weights and batch, below `float32` and `float64`."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        arrays = results(chosen, ours, dtype)
        found |= {f"{name}/{path}": array for path, array in arrays.items()}
    return found


def results(chosen: argparse.Namespace, ours: Arrays, dtype: torch.dtype) -> Arrays:
    """Returns the same of one precision, by our names and axes."""
    players = Players(chosen, dropout=0.0)
    _load(players.discriminator, below(ours, "weights/discriminator"))
    _load(players.generator, below(ours, "weights/generator"))
    players.discriminator.to(dtype)
    players.generator.to(dtype)
    batch = players.tensors(below(ours, "batch"))
    batch = {name: x.to(dtype) if x.is_floating_point() else x for name, x in batch.items()}
    batch["label"] = batch["label"].long()
    logits, losses, gradients = losses_and_gradients(players, batch, batch["noise"])
    found = {"logits": _array(logits)}
    found |= {f"losses/{name}": _array(loss) for name, loss in losses.items()}
    networks = players.network_of_loss
    for name, network in networks.items():
        by_name = dict(zip(dict(network.named_parameters()), gradients[name], strict=True))
        for path, own in below(ours, f"{name} gradient").items():
            theirs = _array(by_name[torch_name(path)])
            found[f"{name} gradient/{path}"] = from_torch(path, theirs, own.shape)
    buffers = dict(players.generator.named_buffers())
    for path in below(ours, "running statistics"):
        found[f"running statistics/{path}"] = _array(buffers[torch_name(path)])
    return found


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _load(network: nn.Module, weights: Arrays) -> None:
    own = dict(network.named_parameters())
    if {torch_name(path) for path in weights} != set(own):
        raise ValueError("the two sides have other layers")
    with torch.no_grad():
        for path, array in weights.items():
            weight = own[torch_name(path)]
            weight.copy_(torch.tensor(to_torch(path, array)).reshape(weight.shape))


if __name__ == "__main__":
    main()
