"""One calm look: Gradio's theme variables, the style sheet beside this file, and nothing that is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

from gradio import themes

CSS = Path(__file__).with_name("studio.css")

# The studio is designed in light colours alone.
LIGHT = "() => { document.body.classList.remove('dark'); }"

_INK, _SOFT, _LINE, _WASH, _PAPER, _ACCENT, _ACCENT_DARK = (
    "#1c2127", "#57606a", "#dfe3e8", "#f5f6f8", "#ffffff", "#2457c5", "#1c469f"
)  # fmt: skip


def theme() -> themes.Base:
    """Fonts come with Gradio or from the system; both colour modes look alike."""
    base = themes.Base(
        primary_hue=themes.colors.blue,
        neutral_hue=themes.colors.slate,
        radius_size=themes.sizes.radius_md,
        text_size=themes.sizes.text_md,
        font=[themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
    )
    looks = {
        "body_background_fill": _WASH,
        "body_text_color": _INK,
        "body_text_color_subdued": _SOFT,
        "background_fill_primary": _PAPER,
        "background_fill_secondary": _WASH,
        "block_background_fill": _PAPER,
        "block_border_color": _LINE,
        "block_label_background_fill": _PAPER,
        "block_label_text_color": _SOFT,
        "block_title_text_color": _INK,
        "border_color_primary": _LINE,
        "input_background_fill": _PAPER,
        "input_border_color": "#cdd3da",
        "input_border_color_focus": _ACCENT,
        "button_primary_background_fill": _ACCENT,
        "button_primary_background_fill_hover": _ACCENT_DARK,
        "button_primary_text_color": "#ffffff",
        "button_secondary_background_fill": _PAPER,
        "button_secondary_background_fill_hover": "#eef1f5",
        "button_secondary_border_color": "#cdd3da",
        "button_secondary_text_color": _INK,
        "button_cancel_background_fill": _PAPER,
        "button_cancel_background_fill_hover": "#fdf1ee",
        "button_cancel_border_color": "#e3b9ae",
        "button_cancel_text_color": "#9a3412",
    }
    settings = {**looks, **{f"{name}_dark": colour for name, colour in looks.items()}}
    return base.set(
        **settings,
        block_border_width="1px",
        input_border_width="1px",
        block_shadow="none",
        block_radius="10px",
        button_border_width="1px",
        button_large_radius="8px",
        button_medium_radius="8px",
        button_small_radius="8px",
        button_large_text_weight="500",
        button_medium_text_weight="500",
        button_large_text_size="*text_md",
        button_large_padding="8px 16px",
        button_small_padding="4px 10px",
        layout_gap="16px",
        checkbox_label_background_fill=_PAPER,
    )
