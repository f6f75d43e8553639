"""The batch arithmetic is that of ms-swift's sampler and of transformers' Trainer."""

import random
from types import SimpleNamespace

import pytest
from vlm_sft.genvalues.sizing.batch import Batch, Steps, megatron_steps, reach, steps


def test_the_effective_batch_is_the_product() -> None:
    assert Batch(2, 8, 4).effective == 64


def test_a_short_last_accumulation_is_a_step() -> None:
    # 105 rows a rank make 53 batches of 2, and 53 / 8 is 6.6
    assert steps(421, Batch(2, 8, 4), 1.0) == Steps(per_epoch=7, total=7, left_out=1)


def test_half_an_epoch_is_rounded_up() -> None:
    assert steps(100, Batch(1, 1, 1), 0.505).total == 51


def test_max_steps_wins() -> None:
    assert steps(100, Batch(1, 1, 1), 3.0, max_steps=7).total == 7


@pytest.mark.filterwarnings("ignore")  # of ms-swift's imports
def test_steps_are_those_of_ms_swift_and_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    from swift.dataloader.shard import BatchSamplerShard
    from transformers import Trainer

    chosen = random.Random(0)
    for _ in range(500):
        ranks, per_gpu, accumulation = chosen.randint(1, 9), chosen.randint(1, 5), chosen.randint(1, 20)
        samples, epochs = chosen.randint(ranks, 3000), chosen.choice([0.3, 1.0, 2.5, 3.0])
        drops, max_steps = chosen.random() < 0.3, chosen.choice([-1, -1, 17])
        monkeypatch.setattr(BatchSamplerShard, "world_size", ranks)
        sampler = BatchSamplerShard(samples, per_gpu, shuffle=False, drop_last=drops, data_seed=None)
        if len(sampler) == 0:
            continue
        args = SimpleNamespace(max_steps=max_steps, num_train_epochs=epochs, gradient_accumulation_steps=accumulation)
        trainer = SimpleNamespace(get_total_train_batch_size=lambda _: 1, get_sp_size=lambda: 1, num_examples=len)
        theirs = Trainer.set_initial_training_values(trainer, args, sampler)
        ours = steps(samples, Batch(per_gpu, accumulation, ranks), epochs, max_steps, drops)
        assert (ours.per_epoch, ours.total) == (theirs[1], theirs[6])


def test_megatron_leaves_out_what_fills_no_pass_of_all_ranks() -> None:
    # 103 rows: 25 passes of 4 ranks; 100 rows by 8 are 12 steps and a half, and two epochs of them 25
    batch = Batch(1, 2, 4, gpus_per_rank=2)
    assert megatron_steps(103, batch, 1) == Steps(per_epoch=12, total=12, left_out=3)
    assert megatron_steps(103, batch, 2).total == 25
    assert megatron_steps(103, batch, 3, train_iters=7).total == 7


def test_a_target_that_divides_lists_its_settings_largest_batch_first() -> None:
    assert reach(64, 8) == [Batch(8, 1, 8), Batch(4, 2, 8), Batch(2, 4, 8), Batch(1, 8, 8)]


def test_a_target_that_does_not_divide_gets_the_nearest_first() -> None:
    assert reach(63, 4, largest_per_gpu=1) == [Batch(1, 16, 4), Batch(1, 15, 4)]


def test_a_target_below_the_gpus_gets_one_row_each() -> None:
    assert reach(3, 8) == [Batch(1, 1, 8)]
