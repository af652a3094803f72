"""Networks: plain tensors in, plain tensors out; they know no Lab, no loss, no config."""
