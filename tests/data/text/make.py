#!/usr/bin/env python3
"""Writes the tokenizers of this folder and what the package `tokenizers` makes of texts with them.

usage: make.py            in an environment that has tokenizers (written with 0.22.2) and sentencepiece

Small vocabularies, trained on a few sentences, under the patterns and steps that published models use.
cases.json: for each tokenizer, of each text, ids with and without the tokens around it, and both decoded.
"""
import io
import json
import pathlib
import random

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEXT = """The quick brown fox jumps over the lazy dog, doesn't it? It's 2024 and they'll say we've 12,345 reasons.
def main(argc, argv):\n    return [i ** 2 for i in range(10) if i % 3 == 0]  # squares\n\n\tprint("x")
Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis. Größe, Straße, façade, naïve.
快速的棕色狐狸跳过懒狗。東京は日本の首都です。한국어 문장입니다. Привет, мир! שלום עולם مرحبا بالعالم
water is the source of life, the water the waters the watering of the other things in other places
""".splitlines()

TEXTS = ["", " ", "  ", "   a", "a   ", "a  b", "\n", "\n\n", " \n", "\n ", "\t\tx", "a\n\n\nb", "a \n b", "\r\n\r\nx", "hello",
         "Hello, world!", "it's IT'S they'Ll we'VE I'd d'accord 'tis", "1234567890 12 345", "3.14159e-10", "x=y+z;", "!!!...???",
         "ambiguë", "ambigue\u0308", "e\u0301\u0302", "ﬁ ligature Å Å", "東京タワー", "한국어", "👍🏽 👨‍👩‍👧 🇩🇪", "a\u00a0b\u2003c\u3000d",
         "\u180e\u200b\u200d\ufeff", "\u0085x", "ſ's 'ſ K", "<|bos|>hi<|eos|>", "<|bos|><|bos|>", "a <|eos|> b", "<|tool|> x",
         "x  <mask>  y", "<mask>", "wordnew new newword a new b", "<|bos", "İstanbul ı I", "٣٤٥ ४५ ²³ ½ Ⅷ", "a\u0300b\u0301", "\x00\x01",
         "naïve café", "▁a ▁▁b", "tab\tand  spaces   end  ", "http://a.b/c?d=e&f=%20", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈", "\U0010ffff", "ﷺ", "ÀÉ\u0130",
         "the water of the waters", " the", "return [i ** 2 for i in range(10)]\n", "😀" * 20, "ab" * 50, " " * 40 + "x", "\n" * 30]


def byte_level(pre, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def bytes_of(space=False, regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=space, use_regex=regex)


def gpt2():
    tokenizer = byte_level(bytes_of(regex=True))
    tokenizer.add_special_tokens(["<|bos|>", "<|eos|>"])
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("new", single_word=True)])
    return tokenizer


def llama3():
    tokenizer = byte_level(pre_tokenizers.Sequence([split(LLAMA3), bytes_of()]), ignore_merges=True)
    tokenizer.add_special_tokens(["<|bos|>", "<|eos|>"])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|bos|> $A", pair="<|bos|> $A <|bos|> $B",
                                      special_tokens=[("<|bos|>", tokenizer.token_to_id("<|bos|>"))])])
    return tokenizer


def qwen2():
    tokenizer = byte_level(pre_tokenizers.Sequence([split(QWEN2), bytes_of()]), normalizers.NFC())
    tokenizer.add_special_tokens(["<|bos|>", "<|eos|>"])
    tokenizer.add_tokens([AddedToken("<|tool|>", normalized=False), AddedToken("ambiguë", normalized=True)])
    return tokenizer


def deepseek():
    tokenizer = byte_level(pre_tokenizers.Sequence([
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"),
        split(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
              r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), bytes_of()]))
    tokenizer.add_special_tokens(["<|bos|>"])
    return tokenizer


def digits():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_of(True, True)]))


def sentencepiece(pre, steps, decoder):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(steps) if steps else None
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    special = ["<unk>", "<|bos|>", "<|eos|>"] + [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=480, show_progress=False, special_tokens=special, limit_alphabet=90)
    tokenizer.train_from_iterator([word for line in TEXT for word in line.split()], trainer)
    kept = json.loads(tokenizer.to_str())
    kept["added_tokens"] = [token for token in kept["added_tokens"] if token["id"] < 3]
    return Tokenizer.from_str(json.dumps(kept))


def llama2():
    return sentencepiece(None, [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")],
                         decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                            decoders.Strip(" ", 1, 0)]))


def mistral():
    return sentencepiece(pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False), None,
                         decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="first"),
                                            decoders.Fuse()]))


def unknown():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()])
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=200, show_progress=False, special_tokens=["<unk>"], limit_alphabet=60, end_of_word_suffix="</w>"))
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    return tokenizer


def characters_map():
    """SentencePiece's own form of a few rules, some of them for several characters."""
    rules = HERE / "rules.tsv"
    pairs = [("\uff21", "A"), ("\ufb01", "fi"), ("e\u0301", "é"), ("\u00c5", "A"), ("\ufdfa", "salla allah"), ("\u200b", ""), ("\u3000", " "), ("\U0001d518", "U"),
             ("\u0085", " "), ("\t", " "), ("\n", " "), ("\u00bd", "1/2"), ("\u00b2", "2"), ("k\u0308", "q"), ("\u2167", "VIII"), ("\u212b", "Å")]
    rules.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in pairs))
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(TEXT * 20), model_writer=out, model_type="unigram", vocab_size=200, minloglevel=2,
                                   hard_vocab_limit=False, normalization_rule_tsv=str(rules), num_threads=1)
    rules.unlink()
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return model


def pieces(byte_fallback):
    model = characters_map()
    vocab = [(piece.piece, round(piece.score, 6)) for piece in model.pieces]
    if byte_fallback:
        vocab += [(f"<0x{i:02X}>", 0.0) for i in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocab, model.trainer_spec.unk_id, byte_fallback))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap),
                                                 normalizers.Replace(Regex(" {2,}"), " ")])
    return tokenizer


def unigram():
    tokenizer = pieces(False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))])
    return tokenizer


def unigram_bytes():
    tokenizer = pieces(True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="first"), decoders.Fuse()])
    return tokenizer


def main():
    random.seed(1)
    parts = TEXT + TEXTS
    texts = TEXTS + ["".join(random.choice(parts)[:random.randrange(30)] for _ in range(4)) for _ in range(24)]
    cases = {"texts": texts, "tokenizers": {}}
    for make in (gpt2, llama3, qwen2, deepseek, digits, llama2, mistral, unknown, unigram, unigram_bytes):
        tokenizer = make()
        tokenizer.save(str(HERE / f"{make.__name__}.json"), pretty=False)
        rows = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            around = tokenizer.encode(text).ids
            rows.append({"ids": ids, "around": around if around != ids else None,
                         "text": tokenizer.decode(around, skip_special_tokens=False),
                         "plain": tokenizer.decode(around, skip_special_tokens=True)})
        cases["tokenizers"][make.__name__] = rows
    (HERE / "cases.json").write_text(json.dumps(cases, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
