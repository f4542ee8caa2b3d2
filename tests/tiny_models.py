"""Complete model folders of outside libraries with very small random weights: what they say is nonsense, how they run is real."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any


def write_tiny_demucs(folder: Path, seed: int = 0) -> Path:
    """A hybrid transformer demucs as a bag of one, in the layout of the released files."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    settings: dict[str, Any] = dict(
        sources=["drums", "vocals"], channels=8, growth=2, nfft=1024, depth=2, t_layers=1, t_heads=2, segment=2
    )
    settings |= dict(samplerate=16_000, bottom_channels=16, dconv_depth=1, t_sin_random_shift=0)
    model = HTDemucs(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    torch.save({"klass": HTDemucs, "args": (), "kwargs": settings, "state": state}, folder / "0a0a0a0a.th")
    (folder / "tiny.yaml").write_text("models: ['0a0a0a0a']\n")
    return folder


def write_tiny_pyannote(folder: Path, seed: int = 0) -> Path:
    """A diarization pipeline as pyannote/speaker-diarization-community-1 is laid out: segmentation, embedding, plda."""
    import os

    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import numpy as np
        import torch
        from pyannote.audio.core.task import Problem, Resolution, Specifications
        from pyannote.audio.models.embedding import XVectorSincNet
        from pyannote.audio.models.segmentation import PyanNet

        torch.manual_seed(seed)
        heard = Specifications(
            problem=Problem.MONO_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=5.0,
            classes=["a", "b", "c"],
            powerset_max_classes=2,
            permutation_invariant=True,
        )
        hears = PyanNet(lstm={"hidden_size": 8, "num_layers": 1}, linear={"hidden_size": 8, "num_layers": 1})
        knows = XVectorSincNet(dimension=32)
        known = Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=2.0)
        for name, model, specifications in (("segmentation", hears, heard), ("embedding", knows, known)):
            model.specifications = specifications
            model.setup()
            _save_lightning(model, folder / name / "pytorch_model.bin")
    draw = np.random.default_rng(seed)
    (folder / "plda").mkdir(parents=True, exist_ok=True)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(32), mean2=np.zeros(16), lda=draw.normal(size=(32, 16)))
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(16), tr=np.eye(16), psi=np.linspace(2.0, 1.0, 16))
    (folder / "config.yaml").write_text(
        "version: 4.0.0\n"
        "pipeline:\n"
        "  name: pyannote.audio.pipelines.SpeakerDiarization\n"
        "  params:\n"
        "    clustering: VBxClustering\n"
        "    segmentation: $model/segmentation\n"
        "    embedding: $model/embedding\n"
        "    plda: $model/plda\n"
        "    embedding_exclude_overlap: true\n"
        "params:\n"
        "  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}\n"
        "  segmentation: {min_duration_off: 0.0}\n"
    )
    return folder


def _save_lightning(model: Any, path: Path) -> None:
    from importlib.metadata import version

    import torch

    checkpoint: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": version("pytorch-lightning"),
    }
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)


WHISPER_PIECES = 1_000


def write_tiny_whisper(folder: Path, seed: int = 0, hears: str = "") -> Path:
    """A Whisper in CTranslate2's format, with a byte-level tokenizer of its own: an English one, or one of all languages that
    takes everything for `hears` (a code) unless it is told. CTranslate2 knows the latter by the empty word in its vocabulary."""
    import logging
    import tempfile

    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as scratch:
        languages = _whisper_languages() if hears else ["en"]
        ids = _write_whisper_tokenizer(Path(scratch), languages)
        begin = ids["<|notimestamps|>"] + 1
        config = WhisperConfig(
            vocab_size=begin + 1501,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            pad_token_id=ids["<|endoftext|>"],
            bos_token_id=ids["<|endoftext|>"],
            eos_token_id=ids["<|endoftext|>"],
            decoder_start_token_id=ids["<|startoftranscript|>"],
        )
        model = WhisperForConditionalGeneration(config)
        with torch.no_grad():  # the ends and marks are never likelier than some word, so that it says something
            marks = model.model.decoder.embed_tokens.weight
            marks[WHISPER_PIECES:] = 0.0
            if hears:
                _lean_towards(model, ids[f"<|{hears}|>"])
        model.generation_config = GenerationConfig(
            alignment_heads=[[0, 0], [0, 1]],
            lang_to_id={f"<|{code}|>": ids[f"<|{code}|>"] for code in languages},
            suppress_tokens=[],
            begin_suppress_tokens=[],
            decoder_start_token_id=ids["<|startoftranscript|>"],
            eos_token_id=ids["<|endoftext|>"],
        )
        model.save_pretrained(scratch)
        WhisperFeatureExtractor(feature_size=80).save_pretrained(scratch)
        copied = ["tokenizer.json", "preprocessor_config.json"]
        TransformersConverter(scratch, copy_files=copied).convert(str(folder), force=True)
    return folder


def _whisper_languages() -> list[str]:
    """Codes of all that the library knows."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return list(_LANGUAGE_CODES)


def _lean_towards(model: Any, token: int) -> None:
    """One mark becomes likelier than the others, though less so than the likeliest word, whatever is heard."""
    import torch

    with torch.no_grad():
        norm = model.model.decoder.layer_norm
        norm.weight[0], norm.bias[0] = 0.0, 1.0
        model.model.decoder.embed_tokens.weight[token, 0] = 0.02


def _write_whisper_tokenizer(folder: Path, languages: list[str]) -> dict[str, int]:
    """Bytes, then Whisper's special tokens in its order; the ids of the special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import WhisperTokenizer

    # Made-up words, so that it does not always end at once.
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces += [f"\u0120w{number}" for number in range(WHISPER_PIECES - len(pieces))]
    if len(languages) > 1:
        pieces[-1] = ""
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["endoftext", "startoftranscript", *languages, "translate", "transcribe", "startoflm", "startofprev"]
    special = [f"<|{name}|>" for name in (*names, "nospeech", "notimestamps")]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    WhisperTokenizer(tokenizer_object=tokenizer, unk_token="<|endoftext|>").save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return {name: len(pieces) + number for number, name in enumerate(special)}
