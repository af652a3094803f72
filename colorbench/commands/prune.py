"""The same network with fewer channels, to be trained on: ``colorbench prune RUN --ratio 0.5 -o FOLDER``

Structured pruning (Li et al. 2017): of every convolution the output channels with the largest fused filters stay,

    importance(c) = |gamma_c| / sigma_c * sum |W_c|        W_c: filter, gamma_c and sigma_c: of its normalization

and every layer that reads a removed channel loses that input. The same share goes from every layer, so the result is an
ordinary registered network of smaller ``width``: its configuration says so, and it trains, evaluates and exports like
any other. Pruned alone it answers worse; the command that is printed trains it on, from its weights.

Which layer reads which channel is not written down anywhere, it is seen: for one pass every convolution answers with
the names of its channels instead of values, and each layer reads them from its input, through whatever concatenations,
enlargements and poolings lie between. A sum of two maps gives a name that nobody has; networks with sums (resnet,
latent, denoiser) are refused.
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
