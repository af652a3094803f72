"""A page that colors photographs, for this machine's browser: ``colorbench demo [MODEL...]``

Drop a photograph: it is colored at once. A slider compares it with the gray original, or with a map of what is a guess
(how far the draws lie apart, and how often the model is right there); dials for vividness, draws and a reference
photograph; any coloring can be downloaded at the photograph's own size (16 bits and transparency are kept, as by
``colorize``), with a JSON file that says how it was made.

MODEL: the starter that comes with the package, run folders, folders of runs, portable models, or USER/NAME of the
Hugging Face Hub. The page needs no network: its fonts and scripts are served from here, nothing is measured or sent,
and only this machine can open it unless --host says otherwise. An upload is bounded in bytes before it is stored, alone
and with all others, and in pixels before it is decoded; what was uploaded and made is deleted after an hour, and when
the page's program ends, by Ctrl-C or by a signal.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError
from colorbench.runs.starter import STARTER


def main(argv: Sequence[str] | None = None) -> None:
    """The command line; returns when the page is closed down."""
    options = _parser().parse_args(argv)
    from colorbench.inference.demo import KEPT, LOOK, gradio_for, open_models, page
    from colorbench.inference.room import Door, Room

    if min(options.max_megabytes, options.max_total, options.max_megapixels) < 1:
        raise UserError("--max-megabytes, --max-total and --max-megapixels: expected 1 or more")
    models = open_models(options.model, options.device)
    with tempfile.TemporaryDirectory(prefix="colorbench-demo-") as folder:
        gradio = gradio_for(folder)
        from starlette.formparsers import MultiPartException  # Gradio's
        from starlette.middleware import Middleware

        room = Room(Path(folder), most=options.max_total * 2**20, kept=KEPT)
        site = page(models, room, max_pixels=options.max_megapixels * 10**6)
        try:
            site.launch(
                server_name=options.host,
                server_port=options.port,
                max_file_size=f"{options.max_megabytes}mb",
                share=False,
                quiet=True,
                show_error=True,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                prevent_thread_lock=True,
                app_kwargs={"middleware": [Middleware(Door, room=room, refusal=MultiPartException)]},
                css=LOOK,
                theme=gradio.themes.Default(
                    primary_hue="indigo",
                    neutral_hue="slate",
                    font=["system-ui", "sans-serif"],
                    font_mono=["ui-monospace", "monospace"],
                ),
            )
        except OSError as error:
            raise UserError(f"--host {options.host} --port {options.port}: {error}; choose another --port") from error
        print(f"{', '.join(models)}: http://{options.host}:{options.port} (Ctrl-C ends)", flush=True)
        try:
            site.block_thread()
        finally:
            site.close(verbose=False)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("demo", __doc__)
    parser.add_argument(
        "model",
        nargs="*",
        default=[STARTER],
        help="run folders, folders of runs, portable models, USER/NAME of the Hub",
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    command.add_plugins(parser)
    parser.add_argument("--max-megabytes", type=int, default=100, help="of an uploaded file (100)")
    parser.add_argument("--max-total", type=int, default=2000, help="megabytes of all that lies on the disk (2000)")
    parser.add_argument("--max-megapixels", type=int, default=60, help="of a photograph, by its header")
    return parser
