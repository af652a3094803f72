"""Origin: what a colored file says of itself, so that nobody takes its colors for a record of what was there.

Every colored file carries an XMP packet (Adobe, XMP Specification Part 1, 2012; a JPEG's APP1, a PNG's iTXt, TIFF's tag
700, a WebP's chunk) with IPTC's DigitalSourceType for pictures that a trained model added to, and model, weights' hash,
seed and version. ``--uncertainty`` writes the same as JSON beside the picture, with how sure the model is.
"""

from typing import Any
from xml.sax.saxutils import quoteattr

from colorbench.inference.colorizer import Colorizer
from colorbench.version import __version__

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_SPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "colorbench": "urn:colorbench:1",
}


def record(model: Colorizer, *, seed: int, draw: int | None, draws: int = 1, **options: Any) -> dict[str, Any]:
    """What made the colors. draw: which one, from 1; None: the mean of ``draws``. options: what else was asked for."""
    answer = f"draw {draw}" if draw else f"mean of {draws} draws" if draws > 1 else "the model's answer"
    chosen = {key: value for key, value in options.items() if value is not None}
    return {
        "colorized": True,
        "program": f"colorbench {__version__}",
        "model": model.name,
        "weights_sha256": model.digest,
        "seed": seed,
        "answer": answer,
        **({"drawing": " ".join(model.drawing)} if model.drawing else {}),
        **chosen,
    }


def xmp(made: dict[str, Any]) -> bytes:
    """The packet."""
    said = {
        "xmp:CreatorTool": made["program"],
        "photoshop:Instructions": "The colors were added by a model: a guess, not a record of what was there.",
        "Iptc4xmpExt:DigitalSourceType": SOURCE,
        **{f"colorbench:{key}": str(value) for key, value in made.items()},
    }
    spaces = "".join(f" xmlns:{key}={quoteattr(place)}" for key, place in _SPACES.items())
    facts = "".join(f"\n  {key}={quoteattr(value)}" for key, value in said.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'<rdf:Description rdf:about=""{spaces}{facts}/>\n'
        '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()
