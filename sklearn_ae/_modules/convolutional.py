"""The torch module of a convolutional autoencoder for images."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from sklearn_ae._modules.dense import Activation, dense_layers, make_activation


class ConvolutionalNetwork(nn.Module):
    """Convolutions that shrink images down to a latent, and the same sizes back.

    A stage is a convolution, an activation, and, where ``pooling > 1``, the maximum of
    each window. Both pad so that a stride of s turns a side of n pixels into
    ``ceil(n / s)``, and the decoder comes back to exactly n.

    **Shape** input and output (n_rows, channels * height * width), the pixels of each
    channel row by row; latent (n_rows, n_components).

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width.
    channels, kernel_size, stride, pooling, pooling_stride : sequence of int
        One for each stage.
    upsampling : bool
        Whether the decoder repeats pixels and convolves, instead of transposed
        convolutions.
    n_components : int or None
        Size of a dense latent; `None` takes the maps of the last stage as they are.
    hidden_layer_sizes : sequence of int
        Widths of dense layers between the maps and a dense latent.
    activation, latent_activation : str or nn.Module class
    latent_shape : tuple of int, default=None
        Shape in which a dense latent can be looked at.

    Attributes
    ----------
    map_shapes : list of (int, int, int)
        Shape of the image and of the maps after each stage.
    n_components : int
        Size of the latent.
    latent_shape : tuple of int
        Shape in which the latent can be looked at.

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.convolutional import ConvolutionalNetwork
    >>> ones, twos = (1, 1), (2, 2)
    >>> network = ConvolutionalNetwork(
    ...     (3, 65, 33), (16, 8), (3, 3), ones, twos, twos, False, 10, (), "relu"
    ... )
    >>> network.map_shapes
    [(3, 65, 33), (16, 33, 17), (8, 17, 9)]
    >>> images = torch.zeros(2, 3 * 65 * 33)
    >>> network.encoder(images).shape, network.decoder(torch.zeros(2, 10)).shape
    (torch.Size([2, 10]), torch.Size([2, 6435]))
    """

    memory_format = torch.channels_last
    """With all channels of a pixel side by side, a step is up to half again as fast."""

    def __init__(
        self,
        image_shape: tuple[int, ...],
        channels: Sequence[int],
        kernel_size: Sequence[int],
        stride: Sequence[int],
        pooling: Sequence[int],
        pooling_stride: Sequence[int],
        upsampling: bool,
        n_components: int | None,
        hidden_layer_sizes: Sequence[int],
        activation: Activation,
        latent_activation: Activation = "identity",
        latent_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.map_shapes: list[tuple[int, ...]] = [tuple(image_shape)]
        # Without a maximum, there are no steps from window to window.
        pooling_stride = [
            step if size > 1 else 1
            for size, step in zip(pooling, pooling_stride, strict=True)
        ]
        n_stages = len(channels)
        encoder: list[nn.Module] = [nn.Unflatten(1, self.map_shapes[0])]
        for i in range(n_stages):
            n_channels, *sides = self.map_shapes[-1]
            last = i == n_stages - 1 and n_components is None
            encoder += _convolution(
                n_channels, channels[i], sides, kernel_size[i], stride[i]
            )
            encoder.append(make_activation(latent_activation if last else activation))
            sides = _shrunk(sides, stride[i])
            if pooling[i] > 1:
                encoder += _pooling(sides, pooling[i], pooling_stride[i])
                sides = _shrunk(sides, pooling_stride[i])
            self.map_shapes.append((channels[i], *sides))
        encoder.append(nn.Flatten())
        decoder: list[nn.Module] = [nn.Unflatten(1, self.map_shapes[-1])]
        n_maps = prod(self.map_shapes[-1])
        self.n_components, self.latent_shape = n_maps, self.map_shapes[-1]
        if n_components is not None:
            self.n_components = n_components
            self.latent_shape = latent_shape or (n_components,)
            widths = [n_maps, *hidden_layer_sizes, n_components]
            encoder += dense_layers(widths, activation)
            if latent_activation != "identity":
                encoder.append(make_activation(latent_activation))
            decoder = [
                *dense_layers(widths[::-1], activation),
                make_activation(activation),
                *decoder,
            ]
        expand = _upsampled if upsampling else _transposed
        strides = [a * b for a, b in zip(stride, pooling_stride, strict=True)]
        decoder += expand(self.map_shapes, kernel_size, strides, activation)
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder, nn.Flatten())
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]

    @torch.no_grad()
    def set_output(self, values: Tensor) -> None:
        """Let the output, before any activation, start around a value per channel.

        Parameters
        ----------
        values : Tensor of shape (n_channels,)
        """
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        last = [layer for layer in self.decoder if isinstance(layer, kinds)][-1]
        last.get_parameter("bias").copy_(values)


class Crop(nn.Module):
    """Cut what is too much off the edges of images, as much on either side.

    **Shape** input (n_rows, channels, ...), output (n_rows, channels, height, width).

    Parameters
    ----------
    height, width : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_ae._modules.convolutional import Crop
    >>> Crop(2, 3)(torch.arange(15.0).reshape(1, 1, 3, 5))
    tensor([[[[1., 2., 3.],
              [6., 7., 8.]]]])
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height = height
        self.width = width

    def forward(self, X: Tensor) -> Tensor:
        """Return the middle of each image."""
        top, left = (X.shape[2] - self.height) // 2, (X.shape[3] - self.width) // 2
        return X[:, :, top : top + self.height, left : left + self.width]

    def extra_repr(self) -> str:
        """Return the size, for `print`."""
        return f"{self.height}, {self.width}"


def _shrunk(sides: Sequence[int], stride: int) -> list[int]:
    return [-(-side // stride) for side in sides]


def _padding(
    sides: Sequence[int], kernel_size: int, stride: int
) -> tuple[int, int, int, int]:
    """Return how many pixels to add (left, right, top, bottom)."""
    height, width = sides
    return *_added(width, kernel_size, stride), *_added(height, kernel_size, stride)


def _added(side: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Return how many pixels to add on either end of a side."""
    total = max(0, (-(-side // stride) - 1) * stride + kernel_size - side)
    return total // 2, total - total // 2


def _convolution(
    n_in: int, n_out: int, sides: Sequence[int], kernel_size: int, stride: int = 1
) -> list[nn.Module]:
    """Return layers that convolve, as many pixels beyond the edge as it takes."""
    left, right, top, bottom = padding = _padding(sides, kernel_size, stride)
    if left == right and top == bottom:
        return [nn.Conv2d(n_in, n_out, kernel_size, stride, (top, left))]
    return [nn.ZeroPad2d(padding), nn.Conv2d(n_in, n_out, kernel_size, stride)]


def _pooling(sides: Sequence[int], kernel_size: int, stride: int) -> list[nn.Module]:
    """Return layers that take the largest pixel of each window."""
    padding = _padding(sides, kernel_size, stride)
    pool = nn.MaxPool2d(kernel_size, stride)
    return [nn.ConstantPad2d(padding, -torch.inf), pool] if any(padding) else [pool]


def _transposed(
    map_shapes: Sequence[tuple[int, ...]],
    kernel_size: Sequence[int],
    strides: Sequence[int],
    activation: Activation,
) -> list[nn.Module]:
    """Return transposed convolutions from the last maps back to the image."""
    layers: list[nn.Module] = []
    for i in reversed(range(len(strides))):
        (n_out, *sides), n_in = map_shapes[i], map_shapes[i + 1][0]
        # A kernel that is smaller than the stride would leave gaps.
        kernel = max(kernel_size[i], strides[i])
        layers += [
            nn.ConvTranspose2d(n_in, n_out, kernel, strides[i]),
            Crop(*sides),
            make_activation(activation),
        ]
    return layers[:-1]


def _upsampled(
    map_shapes: Sequence[tuple[int, ...]],
    kernel_size: Sequence[int],
    strides: Sequence[int],
    activation: Activation,
) -> list[nn.Module]:
    """Return convolutions and repeated pixels from the last maps back to the image."""
    layers: list[nn.Module] = []
    n_in = map_shapes[-1][0]
    for i in reversed(range(len(strides))):
        n_out, *small = map_shapes[i + 1]
        layers += _convolution(n_in, n_out, small, kernel_size[i])
        layers.append(make_activation(activation))
        if strides[i] > 1:
            layers.append(nn.Upsample(tuple(map_shapes[i][1:])))
        n_in = n_out
    n_out, *sides = map_shapes[0]
    return layers + _convolution(n_in, n_out, sides, kernel_size[0])
