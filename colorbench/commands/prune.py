"""The same network with fewer channels, to be trained on: ``colorbench prune RUN --ratio 0.5 -o FOLDER``

Of every convolution the output channels with the largest filters stay. Pruned alone the network answers worse; the
command that is printed trains it on, from its weights. How: colorbench/inference/prune.py.

    pruned     unet, unetcolorizer, autoencoder (the generators of unetgan and gan too), with batch or instance norm
    refused    resnet, resunet        residual sums: a channel goes only if it goes from every term of its sum
               latent, film           a vector, spread over channels and added to, or a factor of, every scale
               denoiser               a vector of the time, sums, and group norm, whose groups are of a fixed size
               diffusers_unet         the same, in another library's code
               dit, sequence, tarflow words of one width, from end to end of a transformer
               querydecoder           queries that meet every map in one width, and layer norms
               features, pyramid      maps of a width that the part above them expects
               pix2pix                its masks of noise, whose shapes are those of its channels
    no answer  patch, convolutional, projected (discriminators), embedding, thumbnail (embedders): they color nothing
"""

from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> None:
    from colorbench.inference.anatomy import anatomy

    parser = command.parser("prune", __doc__)
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--ratio", type=float, default=0.5, help="share of every layer's channels that go (0.5)")
    parser.add_argument("-o", "--output", required=True, help="the run folder to write")
    command.add_checkpoint(parser)
    command.add_plugins(parser)
    options = parser.parse_args(argv)
    import torch

    from colorbench.inference.prune import prune, sequel, write
    from colorbench.runs.run import open_run

    run, folder = open_run(options.run), Path(options.output)
    family = run.family(torch.device("cpu"), options.checkpoint)
    slim, model = prune(family, run.config["model"], options.ratio)
    write(slim, model, run, options.ratio, folder)
    for what, made in (("before", family), ("pruned", slim)):
        found = anatomy(made, int(run.config["data"]["size"]))
        print(f"{what}: {found.parameters:,} parameters, {found.operations:,} FLOPs for one coloring")
    print(f"{folder}; train it on:\n{sequel(run, model, folder)}")
