"""The same MMDenseNet in plain PyTorch, from the same table: the peer that training.py times."""

import torch
from torch import nn

from keras_mmdense.configs import Branch, ModelConfig
from keras_mmdense.configs import DenseBlock as Dense


class DenseBlock(nn.Module):
    """Batch norm, ReLU and convolution, each layer on all previous maps; returns the last k."""

    def __init__(self, maps: int, block: Dense, kernel: tuple[int, int], momentum: float):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(maps + i * block.k, momentum=1 - momentum),
                nn.ReLU(),
                nn.Conv2d(maps + i * block.k, block.k, kernel, padding="same"),
            )
            for i in range(block.layers)
        )

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.cat([x, layer(x)], dim=1)
        return self.layers[-1](x)


class MultiScale(nn.Module):
    """One branch: dense blocks down to 1 / 2^scales and up again."""

    def __init__(self, branch: Branch, channels: int, momentum: float):
        super().__init__()
        self.scales = branch.scales
        self.first = nn.Conv2d(channels, branch.first.maps, branch.first.kernel, padding="same")
        maps, skips = branch.first.maps, []
        self.down, self.up, self.widen = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, block in enumerate(branch.blocks):
            if i > branch.scales:
                self.widen.append(
                    nn.Sequential(
                        nn.BatchNorm2d(maps, momentum=1 - momentum),
                        nn.ConvTranspose2d(maps, maps, 2, stride=2),
                    )
                )
                maps += skips.pop()
            dense = DenseBlock(maps, block, branch.kernel, momentum)
            (self.up if i > branch.scales else self.down).append(dense)
            maps = block.k
            if i < branch.scales:
                skips.append(maps)
        self.maps = maps

    def forward(self, x):
        frames, bins = x.shape[2:]
        grid = 2**self.scales
        x = nn.functional.pad(x, (0, -bins % grid, 0, -frames % grid))
        x, skips = self.first(x), []
        for block in self.down[:-1]:
            skips.append(block(x))
            x = nn.functional.avg_pool2d(skips[-1], 2)
        x = self.down[-1](x)
        for widen, block in zip(self.widen, self.up, strict=True):
            x = block(torch.cat([widen(x), skips.pop()], dim=1))
        return x[:, :, :frames, :bins]


class MMDenseNet(nn.Module):
    """From magnitudes (batch, channels, frames, bins) to the masked magnitudes of one source."""

    def __init__(self, config: ModelConfig, bins: int = 1025, channels: int = 2):
        super().__init__()
        hz_per_bin = config.sample_rate / (2 * (bins - 1))
        banded = [branch for branch in config.branches if branch.band is not None]
        self.edges = [0, *(round(s.band[1] / hz_per_bin) for s in banded[:-1]), bins]
        branches = [MultiScale(s, channels, config.bn_momentum) for s in config.branches]
        self.banded, self.full = nn.ModuleList(branches[: len(banded)]), branches[-1]
        widest = max(branch.maps for branch in self.banded)
        self.join = nn.ModuleList(
            nn.Identity()
            if branch.maps == widest
            else nn.Sequential(
                nn.BatchNorm2d(branch.maps, momentum=1 - config.bn_momentum),
                nn.Conv2d(branch.maps, widest, 1),
            )
            for branch in self.banded
        )
        maps = widest + self.full.maps
        self.final = DenseBlock(maps, config.final, config.final_kernel, config.bn_momentum)
        self.output = nn.Conv2d(config.final.k, channels, config.output_kernel, padding="same")

    def forward(self, mixture):
        spans = zip(self.edges, self.edges[1:], strict=False)
        bands = [mixture[..., low:high] for low, high in spans]
        parts = zip(bands, self.banded, self.join, strict=True)
        joined = torch.cat([join(branch(band)) for band, branch, join in parts], dim=3)
        x = self.final(torch.cat([joined, self.full(mixture)], dim=1))
        return torch.sigmoid(self.output(x)) * mixture


def magnitude(waveform, n_fft: int, hop: int):
    """Magnitude spectrogram: (batch, channels, samples) to (batch, channels, frames, bins)."""
    batch, channels, samples = waveform.shape
    window = torch.hann_window(n_fft)
    flat = waveform.reshape(batch * channels, samples)
    spectrum = torch.stft(flat, n_fft, hop, window=window, return_complex=True, pad_mode="constant")
    return spectrum.abs().transpose(1, 2).reshape(batch, channels, -1, n_fft // 2 + 1)


def training_step(model, optimizer, mixture, target, n_fft: int, hop: int) -> float:
    """Train one step on waveforms (batch, channels, samples); return the loss."""
    optimizer.zero_grad(set_to_none=True)
    estimate = model(magnitude(mixture, n_fft, hop))
    loss = nn.functional.mse_loss(estimate, magnitude(target, n_fft, hop))
    loss.backward()
    optimizer.step()
    return loss.item()
