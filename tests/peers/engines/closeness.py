"""How far one table of log-probabilities, a row for each position, lies from another."""
import numpy
import safetensors.numpy


def divergence(reference: numpy.ndarray, table: numpy.ndarray) -> float:
    return float((numpy.exp(reference) * (reference - table)).sum(1).mean())


def closeness(reference: numpy.ndarray, table: numpy.ndarray) -> dict:
    """kl: the mean of KL(reference || table) in nats. top1: how often both put the same token first. chance: the mean KL of the
    reference's own rows from their neighbours, which is what an unrelated answer has."""
    reference, table = reference.astype(numpy.float64), table.astype(numpy.float64)
    return {"kl": divergence(reference, table), "top1": float((reference.argmax(1) == table.argmax(1)).mean()),
            "chance": divergence(reference, numpy.roll(reference, 1, 0)), "positions": len(table)}


def log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    logits = logits.astype(numpy.float64)
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(1, keepdims=True))


def nearest(path: str, names: list[str], table: numpy.ndarray) -> dict:
    """To the nearest of those tensors in a safetensors file that hold a row of logits for each token, the last one included."""
    logits = safetensors.numpy.load_file(path)
    references = [log_softmax(logits[name][:-1])[:, :table.shape[1]] for name in names]
    return min((closeness(reference, table) for reference in references), key=lambda one: one["kl"])
