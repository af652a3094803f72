"""Trainings side by side, by the launcher that a sweep would use: ``hydra/launcher=workers``, ``cluster``.

The words of a command that begin with ``hydra`` choose and set the launcher, the others are of every training.
"""

from collections.abc import Callable, Sequence
from typing import Any

from colorbench.errors import UserError
from colorbench.runs import config as configuration


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(words of a training, words of the launcher)."""
    hydra = [word for word in words if word.lstrip("+~").startswith(("hydra/", "hydra."))]
    return [word for word in words if word not in hydra], hydra


def launch(jobs: Sequence[Sequence[str]], task: Callable[[Any], Any], words: Sequence[str]) -> None:
    """Call ``task`` with the composed tree of each job's words; ``HydraConfig.get()`` is that job's within it.

    task: may be called in other processes or on other machines: it is pickled, and what it finds goes to the disk.
    words: of the launcher. Raises what a task raised, after the others have ended; UserError for words that do not
    compose, or a launcher that is not installed.
    """
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    common = [word for word in jobs[0] if all(word in job for job in jobs)] if jobs else []
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(configuration.conf_dir()), version_base="1.3"):
            known = GlobalHydra.instance().hydra
            assert known is not None
            tree = known.compose_config(
                config_name="config",
                overrides=configuration.normalize([*words, *common]),
                run_mode=RunMode.MULTIRUN,
                with_log_configuration=False,
                from_shell=False,
            )
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=HydraContext(config_loader=known.config_loader, callbacks=Callbacks()),
                task_function=task,
                config=tree,
            )
    except Exception as error:  # of Hydra's composition, or of the plugin's own import
        raise UserError(f"{' '.join(words)}: {error}".splitlines()[0]) from error
    done = launcher.launch([configuration.normalize(list(job)) for job in jobs], initial_job_idx=0)
    for one in done:
        one.return_value  # noqa: B018  it raises what the job raised
