"""English verbs of what is done to end a problem, as patterns of RE2, in the forms in which notes have them."""

from __future__ import annotations

from collections.abc import Iterable

_REGULAR = (  # noqa: SIM905 (the formatter would give each word a line of its own)
    "abandon accept activate adapt add adjust advise align allow allowlist amend answer apply approve assign backfill "
    "backport block bump bypass cache cancel change clean clear clone configure connect convert copy correct create "
    "credit deactivate decrease delete deny deploy deprecate detach disable disconnect downgrade drain edit eliminate "
    "empty enable encode enforce enlarge enrol ensure escape exclude exempt expand expire explain expose extend flush "
    "force generalise generalize generate grant guard handle import improve increase initialise initialize install "
    "introduce invalidate invite isolate launch limit link load lock lower map mask merge migrate mirror modify mount "
    "move normalise normalize optimise optimize override patch pause pin point populate prevent provision prune "
    "publish purge raise re-add re-create re-enable re-import re-index re-issue re-register re-send reactivate "
    "reassign rebalance reboot recalculate recommend reconfigure reconnect recover recreate redeliver redeploy "
    "redirect reduce refactor refresh refund regenerate reimport reinstall reissue release reload relocate remap "
    "remove rename renew reorder repair replace replay reprocess requeue reroute rescale reschedule resize restart "
    "restore restrict resume retire reuse revert revise revoke reword rework rotate route schedule separate shift "
    "shorten shrink simplify specify store substitute suggest suppress suspend switch synchronise synchronize "
    "terminate throttle tidy tighten toggle transfer trigger truncate tune tweak unapply unassign unblock uninstall "
    "unlock unmount unsuspend update upgrade validate void warm whitelist widen wrap"
).split()
_DOUBLED = "cap drop rip scrap skip snap stop strip swap trim unplug unwrap".split()  # noqa: SIM905
_IRREGULAR = (  # base, third person, past, participle, gerund
    "set sets set set setting, reset resets reset reset resetting, put puts put put putting, "
    "split splits split split splitting, cut cuts cut cut cutting, rebuild rebuilds rebuilt rebuilt rebuilding, "
    "rewrite rewrites rewrote rewritten rewriting, make makes made made making, run runs ran run running, "
    "rerun reruns reran rerun rerunning, roll rolls rolled rolled rolling, turn turns turned turned turning, "
    "take takes took taken taking, give gives gave given giving, undo undoes undid undone undoing, "
    "override overrides overrode overridden overriding, send sends sent sent sending, "
    "bring brings brought brought bringing, resend resends resent resent resending, "
    "withdraw withdraws withdrew withdrawn withdrawing, unfreeze unfreezes unfroze unfrozen unfreezing"
)


def _forms(verb: str) -> tuple[str, ...]:
    """Base, third person, past, participle and gerund of a regular verb."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb[:-1]}ied", f"{verb}ing"
    stem = verb + verb[-1] if verb in _DOUBLED else verb.removesuffix("e")
    person = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x")) else f"{verb}s"
    return verb, person, f"{stem}ed", f"{stem}ed", f"{stem}ing"


def _any_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(set(words)))})"


_VERBS = [*map(_forms, (*_REGULAR, *_DOUBLED)), *(tuple(forms.split()) for forms in _IRREGULAR.split(","))]
BASE, PERSON, PAST, PARTICIPLE, GERUND = (_any_of(words) for words in zip(*_VERBS, strict=True))
