"""From a run to a file that needs no PyTorch: ONNX, TorchScript, OpenVINO, each checked against the run."""
