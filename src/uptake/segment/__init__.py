"""The segmentation network: trained with PyTorch (extra `torch`), used with ONNX Runtime (extra `infer`).

Both are imported by the functions that need them; nothing below this layer knows of either.
"""
