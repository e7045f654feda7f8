"""What shows of a sentence whether it says what was done: what speaks for it and what against it.

Patterns of RE2 over the lower-case sentence, each list in one pass, so that no text takes more than linear time.
"""

from __future__ import annotations

from collections.abc import Iterable

from features.linear_regex import Pattern, PatternSet, encode
from serving.advice_verbs import BASE, GERUND, PARTICIPLE, PAST, PERSON

_WE = r"(?:i|we|i've|we've|i have|we have)"
_ADVERBS = r"(?:(?:just|also|now|already|since|then|finally|simply|manually|only|\w+ly) )*"
_OPENING = (
    r"^(?:(?:hi|hello|hey|dear)(?: \w+){0,2}[,:!-] )?"
    r"(?:(?:ok|okay|yes|no|and|so|also|then|now|finally|just|well|here|instead|otherwise|first|next)[ ,:-]+)*"
)
_AFTER = r"(?:in|to|from|for|by|on|with|at|and|as|out|back|up|down|over|off|again|manually|via|before|after|until|so)"
_NOT_ENGLISH = (
    r"\b(?:der|das|dem|den|im|und|wurden?|wird|war|für|mit|auf|ist|sind|nicht|ohne|le|la|les|du|des|une?|est|sur|dans"
    r"|pour|avec|el|los|las|al|del|en|se|una|por|para|con|y)\b|[äöüßéèêçñáíóú]"
)

# What a sentence earns. The points were set by hand on 300 sentences that were read (see docs/resolutions.md).
POINTS: dict[str, tuple[float, str]] = {
    "done_first": (
        3,
        rf"{_OPENING}(?:{_WE} )?{_ADVERBS}(?:{PAST}|{PARTICIPLE}|fixed|implemented),? \S|{_OPENING}used \S",
    ),
    "done_by_someone": (
        2,
        r"\b(?:i|we|i've|we've|he|she|they|team|support|engineers?|customer|admins?|user|owner|operations|ops|it)"
        rf" (?:have |has )?{_ADVERBS}(?:{PAST}|fixed)\b"
        rf"|\b(?:we|they|support|ops|customer) {_ADVERBS}(?:wrote|showed|told|built|chose|asked|contacted|escalated)\b",
    ),
    "done_to": (
        2.5,
        r"\b(?:was|were|(?:has|have|had|having) (?:also |now |since |just |already )?been|got|(?:is|are) now)"
        rf" (?:now |also |then |just |\w+ly )?(?:{PARTICIPLE})\b",
    ),
    "done_last": (
        2.5,
        r"(?:^|[.,;:] (?:and |then |so )?)(?:(?:the|a|an|all|both|new|two|\d\S*) )?(?:[\w./-]+ ){1,3}"
        rf"(?:{PARTICIPLE})(?:[.,;]|$| (?:{_AFTER}|\d\S*)\b)",
    ),
    "is_done": (
        -2,
        r"\b(?:is|are|be|being|gets?|isn't|aren't|not) (?:\w+ly |not |also |still |only |already |always |never )?"
        rf"(?:{PARTICIPLE})\b",
    ),
    "does": (
        3.5,
        rf"{_OPENING}(?:this|that|it|which|(?:the |this |my |attached |a |new |latest |current |small |simple "
        rf"|trivial )+"
        r"(?:patch|fix|change|commit|version|update|release|solution|code|one|hot-?fix))(?: \d\S*)?(?: that| which)?"
        rf"(?: also| now| just| simply)? (?:{PERSON})\b"
        rf"|{_OPENING}(?:{PERSON}|fixes) (?:the|a|an|all|any|some|support|missing|unused)\b",
    ),
    "fix_is": (
        6,
        r"\b(?:fix|solution|work-?around|trick|remedy|resolution)(?: for \S+ \S+| here)? (?:is|was|are|were|would be)"
        r" (?:to|that|by|a|an|in|adding|using|making|setting|changing|removing)\b"
        r"|\b(?:correct|right|proper|best|real) (?:fix|solution)\b.{0,40} (?:is|was|should be|would be) \w"
        r"|\b(?:turned out|realized|realised|found out)(?: that)? (?:i|we|you) (?:need|needed|have|had) to \w"
        r"|\bfix(?:es)? (?:was "
        r"|has been )?added\b"
        r"|^(?:work-?around|solution|(?:the )?fix|resolution|(?:root )?cause)\s*:\s*\w|\w (?:fixes|solves"
        r"|cures) (?:this|that)\b",
    ),
    "decided": (
        3,
        rf"(?:\b{_WE} {_ADVERBS}(?:had|managed|was able|were able)"
        rf"|(?:^|, |\b{_WE} {_ADVERBS})(?:chose|decided|opted)) to"
        rf" (?:{BASE}|use|try|do|go|keep|leave|fix)\b|\b{_WE} went ahead and (?:{PAST})\b"
        r"|\bpushed (?:\w+ ){0,5}to the (?:docs?|documentation|wiki|site|web ?site)\b",
    ),
    "cause_is": (
        5,
        r"\b(?:problem|issue|cause|reason|bug|culprit|error|failure)s?(?: here| really| actually| though)? "
        r"(?:(?:is|was|were|be)(?: \w+ly)? (?:that|because|caused by|due to|in the|in \S+\(\))"
        r"|(?:appears|seems|turn(?:s|ed) out) to be (?:that|in|with|caused|the|a|an)\b|was (?:the|a|an|in|with) )"
        r"|\bturn(?:s|ed) out (?:to be|that|the|it)\b"
        r"|\b(?:it|this|that) (?:is|was)(?: \w+ly)?(?: indeed| in fact)? (?:caused by|due to|because)\b"
        r"|\buser error\b|\bpilot error\b",
    ),
    "fixed_elsewhere": (
        3.5,
        r"\b(?:already|been|was|is|its|it's|got) (?:fixed|solved|resolved|addressed) (?:in|by|with|as part of) \S",
    ),
    "added_after": (3, rf" [-–:] (?:{PAST}) (?:a|an|the|new|support|option|property|\w+) \S"),
    "able": (
        4.5,
        rf"\b(?:you|users?|one) (?:should be|are|will be) able to (?:{BASE}|use|set|do|call|pass)\b"
        rf"|\b(?:you|users?|one|anyone|developers?|admins?)(?: who (?:\w+ ){{1,6}})? ?may"
        rf" (?:also )?(?:{BASE}|use|set)\b",
    ),
    "now_does": (
        3,
        rf"\bnow (?:also |only |\w+ly )?(?:{PERSON})\b|\b(?:is|are) now (?:{PARTICIPLE})\b",
    ),
    "decided_against": (
        5,
        r"\b(?:won'?t[ -]?fix|wontfix|not an? (?:bug|problem|issue)|invalid|by design)\b.{0,40}"
        r"\b(?:because|since|as|given that)\b(?: \S+){4}"
        r"|\b(?:clos(?:e|ed|ing)|resolv(?:e|ed|ing)) this(?: \w+)?\b.{0,40}\b(?:because|given that)\b(?: \S+){4}",
    ),
    "solved_by": (
        3,
        r"\b(?:fixed|solved|resolved|addressed|avoided|worked around|overcome|cured|helped) (?:\w+ ){0,3}"
        r"(?:by (?:\w+ing|the|a|default)|when (?:i|we|you) |after )|\bmakes? the (?:problem|issue|error) go away\b"
        r"|\b(?:fix(?:e[sd])?|(?:solve|resolve|avoid|cure)[sd]?) the (?:problem|issue|error)\b",
    ),
    "do": (
        3,
        rf"{_OPENING}(?:(?:please|simply|to fix this|workaround|fix|solution|try)[ ,:-]+)*(?:to )?"
        rf"(?:{BASE}|use|try|make sure|don't|do not|avoid|call|check|see if) \S",
    ),
    "you_can": (
        3,
        r"\b(?:you|one|users?|customers?|clients?|applications?|admins?|sites?|people)"
        rf" (?:(?:can|has|have|should|must|could)(?: also| just| simply| either| then| to| instead)*"
        rf" (?:{BASE}|use|call|try|do|work|pass|implement|set)|(?:will |'ll )?needs? to \w+)\b|\byou'll need to \w",
    ),
    "advised": (
        3,
        r"\b(?:suggest|recommend|advise|encourage)(?: that)?"
        r" (?:you|using|moving|upgrading|testing|trying|setting|switching)\b"
        r"|\bbetter to use\b|\buse (?:\S+ ){1,3}instead *(?:[.,;!]|$)",
    ),
    "needed": (
        2,
        r"\bneeds? to be (?:set|specified|configured|enabled|disabled|installed|added|increased)\b"
        r"|\bthere is an? (?:\S+ ){0,4}(?:option|setting|property|parameter|flag|attribute)\b",
    ),
    "by_doing": (2, rf"\b(?:by|through|after) (?:\w+ly )?(?:{GERUND}|using|calling|passing|implementing)\b"),
    "by_design": (
        3.5,
        r"\b(?:as designed|by design|(?:works|behaves|is|are) as (?:intended|expected|documented)|(?:expected|intended"
        r"|desired) behaviou?r"
        r"|(?:is not|isn't|are not|aren't) (?:a )?(?:valid|supported|allowed|meant)|misconfigur\w+|nothing to fix"
        r"|nothing (?:else |more )?(?:can|could) be done"
        r"|known (?:limitation|issue)|no longer (?:supported|maintained|used|needed|necessary))\b",
    ),
    "effect": (
        1,
        r"\b(?:so that|such that|instead of|rather than|no longer|in order to|to (?:avoid|prevent|ensure"
        r"|make sure|allow)"
        r"|now (?:it|the|we|uses?|throws?|returns?|supports?))\b",
    ),
    "named": (
        0.5,
        r"\{\{|[a-z]\w*(?:\.[a-z]\w+){2,}\b|\b\w+\.(?:xml|java|sh|py|conf|cfg|properties|json|ya?ml|jar|cpp|c|h)\b"
        r"|\w\(\)|\s--?[a-z][\w-]+|`[^`]+`|\w ?= ?\w|\b\d+\.\d+",
    ),
    "cause": (
        0.5,
        r"\b(?:because|caused by|due to|root cause|the (?:problem|issue|cause|reason) (?:is|was)|turned out"
        r"|which is why)\b",
    ),
    "support": (
        1,
        r"\b(?:customers?|tenants?|accounts?|the user|admins?|support|ops|on-call|invoices?|owner|workspace|plan"
        r"|licen[cs]e|console|help article|docs?)\b",
    ),
    "not_english": (2, rf"(?:{_NOT_ENGLISH}).*(?:{_NOT_ENGLISH})"),
    "trial": (
        -3,
        r"\b(?:all|unit|core|contrib|the|local|new|modified) tests? (?:\w+ ){0,3}(?:pass(?:ed|es|ing)?|succeed\w*"
        r"|fail\w*)\b"
        r"|^tests? pass|\b(?:un|not )able to (?:re-?produce|recreate|validate)"
        r"|\b(?:can(?:'t|not| not|t)|could(?:n't| not)|did(?:n't| not)) (?:re-?produce|recreate)"
        rf"|{_OPENING}(?:{_WE} )?{_ADVERBS}(?:verified|confirm(?:ed)?|tested|ran|re-?ran|tried|saw|seen|noticed|looked"
        r"|taken a (?:quick )?look|reviewed|investigat\w+|reproduced)\b",
    ),
    "opinion": (
        -2.5,
        r"\b(?:i|we)(?:'d|'m| am| would| do| don't| didn't| am not| can't| cannot| still| also| really| just)*"
        r" (?:think|believe|guess|wonder\w*|suspect|suppose|feel|agree|disagree|prefer|like|hope|doubt|assume|imagine"
        r"|propose|concerned|inclined|understand|see|expect|want\w*|know|mean|meant)\b"
        r"|\b(?:imo|imho|afaik|afaict|iirc|fwiw|maybe|perhaps|probably|possibly|hopefully|not sure|seems|looks like"
        r"|would be (?:nice|good|better|great|helpful))\b|^(?:but|however|although|though)\b",
    ),
    "plan": (
        -3,
        r"\b(?:i|we|he|she)(?:'ll| will| can| could| might| may| plan| intend| am going| are going|'m going|'re going"
        r"|'m working| am working| need| should| shall)\b|^(?:will|going to|planning|todo|looking into"
        r"|(?:(?:still|also|again) )?need to)\b"
        r"|\b(?:follow-?up|separate|another|different) (?:jira|issue|ticket|bug|patch)\b"
        r"|\b(?:filed|opened|created|raised) (?:this |it |a |an |another )?(?:new |separate |github )?"
        r"(?:\w+-\d+|jira|issue|ticket|bug|prs?|pull request)\b",
    ),
    "background": (-2, r"^(?:before|prior to|previously|originally|historically|until now|in the past)\b"),
    "condition": (-1, r"^(?:if|when|while|given|unless|since)\b"),
    "should": (-1.5, r"\b(?:should|would|could|might|may|ought|shall|will)\b"),
    "trouble": (
        -1,
        r"\b(?:fail(?:s|ing|ures?)?|exceptions?|hangs?|hung|crash\w*|broken|breaks?|throws?"
        r"|introduced (?:by|in|with))\b"
        r"|\bi (?:am|'m|have|get|got|still|ran into|see)\b",
    ),
    "development": (
        -1,
        r"\b(?:patch(?:es)?|commit\w*|trunk|branch\S*|svn|jira|diff|javadoc|whitespace|indent\w*|nit|review\w*"
        r"|comments?"
        r"|attach\w*)\b",
    ),
    "test": (-1, r"\b(?:tests?|junit|test ?cases?|test[a-z]{4,}|[a-z]{3,}test)\b"),
}
# What counts in an account only: there the past tense tells what was done, in a discussion what somebody saw.
ACCOUNT_POINTS: dict[str, tuple[float, str]] = {
    "told": (
        1,
        r"\b(?:[a-z]{2,}(?:ed|pt|lt)|was|were|had|got|came|went|took|gave|made|sent|found|told|put|let|set|ran|kept|lost"
        r"|left|led|began|broke|chose|wrote|built|held|paid|stood|withdrew|now|since)\b",
    ),
    "told_first": (
        1,
        rf"{_OPENING}(?:{_WE} )?{_ADVERBS}[a-z]{{3,}}ed (?:the|a|an|all|both|its|his|her|their|our|this|that|\d+)\b",
    ),
}
# A release that has the fix is something to do: upgrade to it.
_RELEASE = r"\b(?:fixed|solved|resolved|addressed|corrected) in (?:the )?(?:\w+ ){0,2}v?\d+\.\d+"
_PROPOSAL = (
    r"\b(?:what do you think|wdyt|thoughts|what do (?:others|you guys|folks|people) think"
    r"|does (?:that|this) make sense)\b.{0,3}\?"
)
_DISCUSSION = (
    r"\b(?:patch(?:es)?|commit\w*|trunk|branch\S*|svn|jira|diff|javadoc|junit|unit tests?|review\w*|hadoop|method"
    r"|class|thread|null|imo|lgtm|nit)\b|(?:^|[^{])\bcode\b|\+1|\{\{|\w\(\)|\w#\w|\[~|\?(?:\s|$)|\bi(?:'(?:m|ve|ll|d))?\b"
)

_POINTS_SET = PatternSet(pattern for _, pattern in (*POINTS.values(), *ACCOUNT_POINTS.values()))
_URL = Pattern(r"https?://\S+")
_DISCUSSION_SET = PatternSet([_DISCUSSION])
_RELEASE_SET = PatternSet([_RELEASE])
_PROPOSAL_SET = PatternSet([_PROPOSAL])
_IN_DISCUSSION = tuple(points for points, _ in POINTS.values()) + (0.0,) * len(ACCOUNT_POINTS)
_IN_ACCOUNT = tuple(points for points, _ in (*POINTS.values(), *ACCOUNT_POINTS.values()))


def points(sentence: str, *, is_account: bool) -> float:
    """What speaks for a sentence saying what was done, less what speaks against it.

    Examples
    --------
    >>> points("Raised the memory limit of the worker", is_account=False)
    3.0
    >>> points("The limit might be too low", is_account=False)
    -1.5
    """
    earned = _IN_ACCOUNT if is_account else _IN_DISCUSSION
    return sum((earned[number] for number in _POINTS_SET.which(_lower(sentence))), 0.0)


def is_discussion(text: str) -> bool:
    """Whether a text is one voice of a discussion among developers rather than an account of what was done."""
    return bool(_DISCUSSION_SET.which(_URL.sub(lambda _: b"", _lower(text))))


def is_proposal(text: str) -> bool:
    """Whether a text asks others what they think of what it says is to be done."""
    return bool(_PROPOSAL_SET.which(_lower(text)))


def names_release(sentence: str) -> bool:
    """Whether a sentence says in which release a problem is fixed.

    Examples
    --------
    >>> names_release("This was fixed in version 5.14.3"), names_release("Fixed as part of ABC-12")
    (True, False)
    """
    return bool(_RELEASE_SET.which(_lower(sentence)))


def signals(sentence: str) -> Iterable[str]:
    """Names of what speaks for and against a sentence, for whoever wants to know why."""
    names = (*POINTS, *ACCOUNT_POINTS)
    return [names[number] for number in _POINTS_SET.which(_lower(sentence))]


def _lower(text: str) -> bytes:
    return encode(text.lower())
