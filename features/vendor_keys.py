"""Access keys and tokens that their vendor's prefix gives away.

The prefixes are those that the vendors document so that leaked keys can be found.
"""

from __future__ import annotations

from features.linear_regex import Edit, Pattern

KEY = b"<KEY>"

# Where a vendor documents a length, ours is shorter: people shorten and invent keys, and a prefix this odd is proof.
ODD_PREFIXES: dict[str, str] = {
    "AWS access key id": r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{16,}",
    "GitHub": r"(?:gh[oprsu]|github_pat)_[A-Za-z0-9_]{20,}",
    "GitLab": r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[A-Za-z0-9_=.-]{16,}",
    "Slack": r"xox[abceoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{16,}",
    "Slack webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_+-]{16,}",
    "Stripe": r"[srp]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",
    "Google": r"AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}|1//0[A-Za-z0-9_-]{30,}",
    "Azure client secret": r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{30,}",
    "npm": r"npm_[A-Za-z0-9]{20,}",
    "Hugging Face": r"hf_[A-Za-z0-9]{20,}",
    "SendGrid": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "Twilio": r"(?:SK|AC)[0-9a-f]{32,}",
    "Shopify": r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,}",
    "DigitalOcean": r"do[opr]_v1_[a-f0-9]{20,}",
    "Databricks": r"dapi[a-f0-9]{32,}",
    "Atlassian": r"AT[AC]TT3[A-Za-z0-9_=-]{20,}",
    "HashiCorp Vault": r"hv[sbr]\.[A-Za-z0-9_-]{20,}",
    "Docker": r"dckr_[po]at_[A-Za-z0-9_-]{20,}",
    "Grafana": r"gl(?:sa|c)_[A-Za-z0-9+/=_]{20,}",
    "New Relic": r"NR(?:AK|JS|II)-[A-Za-z0-9-]{16,}",
    "Telegram": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}",
    "JSON web token": r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+",
}
# Prefixes that words have too (`sk-learn-contrib-…`): there two digits must follow.
WORDLIKE_PREFIXES: dict[str, str] = {
    "OpenAI, Anthropic": r"sk-[A-Za-z0-9_-]{20,}",
    "PyPI": r"pypi-[A-Za-z0-9_-]{16,}",
    # Acme's `acme_live_…`: most vendors of today name their keys so.
    "any vendor": (
        r"[a-z][a-z0-9]{1,19}(?:_[a-z0-9]{1,12}){0,2}"
        r"_(?:live|test|prod|sandbox|secret|priv|private|pat|key|apikey|token|sk|pk|auth)_[A-Za-z0-9]{10,}"
    ),
}
VENDOR_KEY_TRIGGER = (
    r"\b(?:A(?:KI|SI|RO|ID|GP|NP|BI|CC)A[A-Z0-9]{4}|gh[oprsu]_|github_pat_|gl[a-z]{2,5}[-_]|xox[a-z]-|xapp-|whsec_|AIza"
    r"|ya29\.|GOCSPX-|1//0|sk-|npm_|pypi-|hf_|SG\.|SK[0-9a-f]{4}|AC[0-9a-f]{4}|shp[a-z]{2}_|do[opr]_v1|dapi[a-f0-9]{4}"
    r"|AT[AC]TT3|hv[sbr]\.|dckr_|NR[A-Z]{2}-|eyJ)|hooks\.slack\.com/|[78]Q~|[0-9]:AA"
    r"|_(?:live|test|prod|sandbox|secret|priv|private|pat|key|apikey|token|sk|pk|auth)_[A-Za-z0-9]{10}"
)
_ODD_KEY = Pattern(r"\b(?:" + "|".join(ODD_PREFIXES.values()) + ")")
_WORDLIKE_KEY = Pattern(r"\b(?:" + "|".join(WORDLIKE_PREFIXES.values()) + ")")
_DIGIT = Pattern(r"[0-9]")


def vendor_keys(data: bytes) -> list[Edit]:
    """Tokens that their vendor's prefix gives away."""
    wordlike = [span for span in _WORDLIKE_KEY.spans(data) if len(_DIGIT.spans(data[slice(*span)])) >= 2]
    return sorted((start, end, KEY) for start, end in _ODD_KEY.spans(data) + wordlike)
