"""Colorizer: a trained model as a function from photographs to photographs.

    from colorbench.inference.colorizer import Colorizer
    color = Colorizer.from_pretrained()    # the starter; or a run folder, a portable file, USER/NAME
    color("scan.tif").save("scan.png")

The chroma is computed with the photograph's shorter side at the size the model was trained at, and painted over the
photograph at its own size and with its own lightness (paint.py). A draw of a stochastic model belongs to (seed, number
of the draw, content of the picture): it does not depend on the file's name or on what else is colored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorbench import color
from colorbench.arrays import Chroma, Luma, Seen, Tensor
from colorbench.engine.precision import choose_device
from colorbench.errors import UserError
from colorbench.family import Family
from colorbench.inference import portable
from colorbench.inference.certainty import Certainty
from colorbench.inference.paint import in_gamut, paint
from colorbench.inference.photo import Photo, picture_image, read_photo
from colorbench.inference.transfer import toward, trunk_of
from colorbench.noise import Noise, stable_id
from colorbench.retrieval.reference import TakesReference
from colorbench.runs import starter
from colorbench.runs.resampled import resampled
from colorbench.runs.run import open_run
from colorbench.runs.starter import STARTER
from colorbench.trunks.maps import Last
from colorbench.trunks.trunk import Trunk

Source = str | Path | Image.Image | NDArray[Any] | Tensor
"""What a picture may be given as."""
_LISTED = 6
LONGEST = 4  # the longer side at most, in units of the shorter: panoramas are squeezed beyond
LEAST_CHROMA = 1.0  # a*b* distance from gray that the most colorful place must reach


@dataclass(frozen=True, repr=False)
class Colorizer:
    """family: on its device, in eval mode. size: px of the shorter side that the model sees. name: of the model.
    weights: the file of its weights. average: its answer is the mean of so many draws, where no draw is asked for.
    drawing: the words by which it draws otherwise than its run says."""

    family: Family
    size: int
    name: str
    device: torch.device
    weights: Path
    average: int = 1
    drawing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for module in self.family.modules():
            if isinstance(module, Trunk) and module.frozen:
                module.kept = Last()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file of its weights."""
        with self.weights.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @cached_property
    def certainty(self) -> Certainty | None:
        """What ``colorbench calibrate`` measured of it; None where it draws otherwise than was measured."""
        return None if self.drawing else Certainty.beside(self.weights)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = STARTER,
        *,
        device: str = "auto",
        checkpoint: str | None = None,
        size: int | None = None,
        average: int | None = None,
        drawing: Sequence[str] = (),
    ) -> "Colorizer":
        """From a run folder, a portable model's folder or .safetensors file, or USER/NAME of the Hugging Face Hub;
        ``starter`` is the model that comes with the package. Where a folder is both, the portable files are opened,
        unless a checkpoint of the run is asked for.

        checkpoint: of a run folder: last, best or a name; None is the one it stands by. size: another size than the
        one it was trained at. average: another number of draws than the model's own. drawing: of a run folder, words
        that change how it draws (``"sampler=heun"``, ``"sampler.steps=10"``; runs/resampled.py).
        """
        path, where = starter.place(source), choose_device(device)
        if not path.exists():
            path = portable.fetch(str(source))
        own = checkpoint is None and (path / portable.WEIGHTS).is_file()  # its portable files say less, and that safely
        if (path / "config.yaml").is_file() and not own:
            run = resampled(open_run(path), drawing)
            family = run.family(where, checkpoint)
            weights = run.checkpoint(checkpoint) / "ema.safetensors"
            px = size or _asked(int(run.config["data"]["size"]), path)
            return cls(family, px, run.name, where, weights, average or 1, tuple(drawing))
        if drawing:
            raise UserError(f"--set {drawing[0]}: {source} draws as it was packed; give a run folder")
        if path.is_dir() and not (path / portable.WEIGHTS).is_file():
            raise UserError(_inside(path))
        family, model = portable.load(path)
        weights = path / portable.WEIGHTS if path.is_dir() else path
        return cls(
            family.to(where), size or _asked(model.size, path), model.name, where, weights, average or model.average
        )

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.family.parameters())
        return f"Colorizer({self.name}, {size / 1e6:.1f} M parameters, {self.size} px, {self.device})"

    def __call__(
        self,
        image: Source,
        *,
        seed: int = 0,
        draw: int | None = None,
        strength: float = 1.0,
        hint: Source | None = None,
        recolor: bool = False,
    ) -> Image.Image:
        """The picture in color: 8-bit RGB (RGBA if it has transparency), of the same size and lightness.

        image: a path, a Pillow picture, an array or a tensor: [h w], [h w 3], [3 h w]; uint8, or floats in [0, 1].
        seed, draw: which coloring of a stochastic model; no draw: the mean of ``average`` of them. strength: factor of
        the chroma. hint: a picture whose colors it takes (retrieval, or on a trunk). recolor: also take pictures in
        color. Raises UserError: unreadable, in color, no color came out, no hint taken.
        """
        photo = _photo(image, recolor)
        reference = None if hint is None else self.reference(hint)
        pixels = self.paint(photo, seed=seed, draw=draw, strength=strength, reference=reference)
        return picture_image(pixels if pixels.dtype == np.uint8 else (pixels / 257.0).round().astype(np.uint8), photo)

    def paint(
        self,
        photo: Photo,
        *,
        seed: int = 0,
        draw: int | None = None,
        strength: float = 1.0,
        reference: Seen | None = None,
    ) -> NDArray[Any]:
        """uint8 [h w 3], or uint16 for a photo of 16 bits; sRGB."""
        return paint(photo, *self.maps(photo, seed=seed, draw=draw, strength=strength, reference=reference))

    def maps(
        self,
        photo: Photo,
        *,
        seed: int = 0,
        draw: int | None = None,
        strength: float = 1.0,
        reference: Seen | None = None,
    ) -> tuple[Luma, Chroma]:
        """L [1 1 h' w'] and ab [1 2 h' w'] at the model's size: what ``paint.paint`` needs to color the photo at any.

        Raises UserError: no color came out.
        """
        L = photo.small(*self.seen(*photo.size))
        ab = strength * self.chroma(L, seed=seed, draw=draw, reference=reference)
        _demand_color(L, ab)
        return L, ab

    @torch.no_grad()
    def chroma(self, L: Luma, *, seed: int = 0, draw: int | None = None, reference: Seen | None = None) -> Chroma:
        """[1 2 h w] on the CPU, for L [1 1 h w]."""
        if draw is None:
            draws = (self.chroma(L, seed=seed, draw=k, reference=reference) for k in range(self.average))
            return torch.stack(list(draws)).mean(dim=0)
        if draw and not self.family.stochastic:
            raise UserError(f"{self.name} gives one answer for each picture: there is no draw {draw}")
        content = hashlib.sha256((L * 127).round().to(torch.int8).numpy().tobytes()).hexdigest()
        ids = torch.tensor([stable_id(content)], device=self.device)
        noise, L = Noise.of(seed, ids, draw), L.to(self.device)
        if reference is None:
            return self.family.colorize(L, noise).float().cpu()
        seen_L, seen_ab = reference
        if isinstance(self.family, TakesReference):
            return self.family.colorize_like(L, seen_ab.to(self.device), noise).float().cpu()
        trunk = trunk_of(self.family)
        if trunk is None:
            raise UserError(f"--hint: {self.name} takes no reference picture; models on a trunk and retrieval's do")
        return toward(trunk, L.cpu(), self.family.colorize(L, noise).float().cpu(), (seen_L, seen_ab))

    def vivid(self, amount: float) -> float:
        """Turn the family's own dial for vividness (guidance, temperature) to ``amount``, 1 being as trained; the gain
        of chroma that is left to do, where it has none."""
        return 1.0 if self.family.vivid(amount) else amount

    def reference(self, image: Source) -> tuple[Luma, Chroma]:
        """L [1 1 h w] and ab [1 2 h w] of a picture in color, at the model's size."""
        photo = _photo(image, True)
        if photo.tones is not None:
            raise UserError("a gray picture has no colors to give")
        height, width = self.seen(*photo.size)
        small = Image.fromarray(photo.levels).resize((width, height), Image.Resampling.BICUBIC)
        return color.encode_bytes(torch.from_numpy(np.array(small).transpose(2, 0, 1).copy())[None])

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the model sees a picture: the shorter side is ``size``, the aspect is kept."""
        short, long = min(height, width), max(height, width)
        longer = min(round(self.size * long / short), LONGEST * self.size)
        return (self.size, longer) if height <= width else (longer, self.size)

    def save_pretrained(self, folder: str | Path, source: str | Path, license: str = "unknown") -> Path:
        """Write the portable files of the run ``source`` that this model is from."""
        run = resampled(open_run(source), self.drawing)
        family, model = portable.pack(run)
        card = portable.model_card(run, model, family, license)
        return portable.save(family, model, Path(folder), card)


def _inside(path: Path) -> str:
    """What to say of a folder that is no model: the models inside of it, the newest first."""
    inside = [f.parent for name in ("config.yaml", portable.WEIGHTS) for f in path.rglob(name)]
    usable = {folder for folder in inside if (folder / "checkpoints").is_dir() or (folder / portable.WEIGHTS).is_file()}
    if not usable:
        return f"{path}: not a model (no {portable.WEIGHTS}, no config.yaml), and none is inside"
    newest = sorted(usable, key=lambda folder: folder.stat().st_mtime, reverse=True)
    more = f" and {len(newest) - _LISTED} more" if len(newest) > _LISTED else ""
    return f"{path}: holds models; give one of them: {', '.join(map(str, newest[:_LISTED]))}{more}"


def _photo(image: Source, recolor: bool) -> Photo:
    """Of a path, a Pillow picture, an array [h w], [h w 1] or [h w 3], a tensor (also channels first), 8-bit or in
    [0, 1]."""
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    if isinstance(image, np.ndarray):
        image = _picture(image)
    return read_photo(Path(image) if isinstance(image, str) else image, recolor=recolor)


def _picture(pixels: NDArray[Any]) -> Image.Image:
    if pixels.ndim == 4 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3) and pixels.shape[0] in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise UserError(f"a picture is [h w], [h w 3] or [3 h w]; this has the shape {list(pixels.shape)}")
    if pixels.dtype == np.bool_ or np.issubdtype(pixels.dtype, np.floating):
        levels = pixels.astype(np.float64)
        if not (np.isfinite(levels).all() and levels.min() >= 0.0 and levels.max() <= 1.0):
            raise UserError("a picture of floats lies in [0, 1]; divide by its largest value, or give uint8")
        pixels = (255.0 * levels).round()
    elif pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 255):
        raise UserError(f"a picture of integers lies in 0 to 255; this reaches {pixels.max()}: give a file of 16 bits")
    return Image.fromarray(np.ascontiguousarray(pixels.astype(np.uint8)))


def _asked(size: int, source: Path) -> int:
    """What a model's file says that it wants to see; more than usual only by the user's own word."""
    if not 1 <= size <= portable.LARGEST:
        raise UserError(
            f"{source}: wants pictures of {size} px, which takes gigabytes; where that is meant: colorize --size {size}"
        )
    return size


def _demand_color(L: Luma, ab: Chroma) -> None:
    """A gray answer is no answer."""
    if not bool(ab.isfinite().all()):
        raise UserError("the model's answer is not a number; is it trained?")
    chroma = color.rgb_to_lab(in_gamut(L, ab))[:, 1:].norm(dim=1)
    if float(chroma.max()) < LEAST_CHROMA:
        raise UserError("no color came out: the picture is black or white, or this model answers gray")
