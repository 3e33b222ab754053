#!/usr/bin/env python3
"""Small tokenizer.json files of the kinds that SentencePiece makes, for tokens.py.

usage: VENV/bin/python tests/peers/make_tokenizers.py FOLDER

Runs in an environment that has tokenizers and sentencepiece. unigram.json and unigram-bytes.json are trained by SentencePiece, whose map of
characters (nmt_nfkc) they carry; spm-bpe.json is byte-pair encoding with a byte for what is not known.
"""
import io
import json
import sys
from pathlib import Path

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokens import lines_of


def piece_model(lines, **options):
    """What SentencePiece trains, as its protocol buffer."""
    from sentencepiece import sentencepiece_model_pb2
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, hard_vocab_limit=False, minloglevel=2,
                                             num_threads=2, **options)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return model


def unigram(model, byte_fallback):
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in model.pieces], model.trainer_spec.unk_id, byte_fallback))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap),
                                                 normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    steps = [decoders.ByteFallback(), decoders.Metaspace()] if byte_fallback else [decoders.Metaspace()]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))])
    return tokenizer


def piece_bpe(lines):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=3000, special_tokens=specials, limit_alphabet=300, show_progress=False))
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = [token for token in made["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = lines_of(4000, [])
    common = {"vocab_size": 8000, "normalization_rule_name": "nmt_nfkc", "character_coverage": 0.98}
    for name, bytes_too in (("unigram", False), ("unigram-bytes", True)):
        model = piece_model(lines, model_type="unigram", byte_fallback=bytes_too, **common)
        unigram(model, bytes_too).save(str(folder / f"{name}.json"))
    piece_bpe(lines).save(str(folder / "spm-bpe.json"))


if __name__ == "__main__":
    main()
