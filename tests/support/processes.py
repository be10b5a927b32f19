"""Two processes that train together, on this machine's CPU."""

from __future__ import annotations

from pathlib import Path

import lightning

from resight.engine.callbacks import Parting

__all__ = ["fitted_by_two"]


def fitted_by_two(system: lightning.LightningModule, folder: Path, strategy: str = "ddp_spawn") -> None:
    """Train a system that has its own data for one epoch; what the processes write they write into `folder`."""
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy=strategy,
        max_epochs=1,
        default_root_dir=folder,
        callbacks=[Parting()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(system)
