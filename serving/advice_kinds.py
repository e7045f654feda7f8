"""Kinds of sentence that never say what was done: questions, thanks, votes, machines' reports, closing remarks.

Patterns of RE2 over the lower-case sentence, all in one pass, so that no text takes more than linear time.
"""

from __future__ import annotations

from features.linear_regex import PatternSet, encode

RULED_OUT: dict[str, str] = {
    "question": r"\?\W*$|\b(?:can|could|would|will) (?:you|someone|anyone|somebody)\b",
    "courtesy": (
        r"^\W*(?:\w+[\s,.!-]+){0,2}(?:thanks|thank (?:you|u)|thx|thnx|tx|cheers|appreciated?|kudos)\b"
        r"|^(?:hi|hello|hey|dear|sorry|best|kind|guten tag|hallo|bonjour|hola)\b.{0,25}$"
    ),
    "vote": (
        r"^\W{0,3}[+-] ?[01]\b|[+-]1\W*$|\+1|\blgtm\b"
        r"|\b(?:looks?|sounds?|seems?) (?:\w+ly |pretty |very )?(?:good|great|fine|ok|okay|right|reasonable|nice"
        r"|better)\b"
        r"|^(?:(?:that )?makes sense|agreed|i agree|fair enough)\b[^,;]*$|^good (?:catch|point|idea|work|find|job)\b"
    ),
    "machine": (
        r"-1 overall|here are the results of testing|^(?:success|failure|unstable|integrated)\b.* in \S+ #?\d"
        r"|automatically generated|test results?:|console output|findbugs|checkstyle|javac\b|release audit|^\[?exec\]"
        r"|hadoop ?qa|\btest-patch\b|\b(?:hudson|jenkins)\b|appears? to (?:include|introduce|have caused)|\{color"
        r"|justify why|no new (?:unit )?tests?|(?:no|not) (?:\w+ )?tests? (?:\w+ )?(?:needed|included|required"
        r"|necessary)|^no (?:\w+ ){0,2}tests? (?:have|has|were|was|are|is|added|written|changed)\b"
    ),
    "request": (
        r"\bplease (?:also )?(?:re-?open|open|file|create|submit|review|provide|attach|post|take a look|let (?:me|us)"
        r"|confirm|add|remove|change|rename|feel|rebase|update|justify|go ahead|commit|verify|merge|close|explain"
        r"|comment"
        r"|move|give|send|ask)\b|\bpl[sz]\b|^(?:let(?:'s|s| us| me)|how about|feel free)\b|\b(?:you|we) forgot\b"
        r"|\byour (?:patch|fix|change|comment|review|explanation|point)\b|^nits?\b"
        r"|^(?:one|two|a|some|few|just|only|other|minor|small|couple|my|the|review|another) (?:\w+ ){0,3}"
        r"(?:nits?|comments?|suggestions?|concerns?|questions?)\b"
    ),
    "state": (
        r"^(?:(?:i|i'm|i am|i'll|we|am|are|will|can|going to|and|so|please|ok|for now|based|bulk|let's|therefore"
        r"|hence) ?)*"
        r"(?:clos(?:e|ing)|closed (?:as|this|the|since|because)|(?:re-?)?resolving|resolve (?:this|it|as|the)"
        r"|resolved as"
        r"|mark(?:ed|ing)? (?:this|it|as)|re-?open(?:ed|ing)?|re-?assign(?:ed|ing)? (?:to|this|it|the)"
        r"|link(?:ed|ing)? (?:this|it|the (?:jira|issue)))\b|\badded you\b|\b(?:so|and) closing\b"
        r"|\b(?:set|chang|updat|edit|remov|upgrad|add|rais)(?:ed|ing|ting|es)? (?:the |to |as )*"
        r"(?:fix[ -]?versions?|target[ -]?versions?|affects?[ -]?versions?|resolution|assignee|priority|summary|blocker"
        r"|critical|release ?notes?|hadoop flags)\b"
        r"|\b(?:add|left|leav|made|post)(?:ed|ing|e)? (?:\w+ ){0,3}comments?"
        r" (?:there|here|in|on|to|above|below|inline)\b"
        r"|\b(?:updat|chang|edit|clean|rephras|reword)(?:ed|ing) (?:up )?(?:the |this |its )?(?:jira|issue|ticket|bug)"
        r"(?:'s)?(?: (?:description|title|subject|summary))?\b"
        r"|\b(?:updat|chang|edit)(?:ed|ing) the (?:description|title|subject)\b"
        r"|\brevert(?:ed|ing)? (?:this|it|(?:the|a|my) (?:commit|patch|change))\b|\bmailing[ -]lists?\b"
        r"|\bdup(?:e|licates?|licated|ing this)? (?:of|to)\b|\b(?:a|as) (?:\w+ )?dup(?:e|licate)?\b"
        r"|^same (?:as|issue|problem)\b"
    ),
    "no_answer": (
        r"\b(?:no|without) (?:\w+ ){0,2}(?:repl(?:y|ies)|response|answer|update|feedback|activity|information"
        r"|test ?case|reproducer)\b"
        r"|\bnot enough info\w*|\bneed (?:some|more) (?:\w+ )?(?:info\w*|logs?|details?)\b"
        r"|\b(?:pas de réponse|keine (?:antwort|rückmeldung)|sin respuesta)\b"
    ),
    "attached": (
        r"\b(?:attach(?:ed|ing)?|upload(?:ed|ing)?|submit(?:ted|ting)?|post(?:ed|ing)?|here's|here is|updated|new"
        r"|re-?based"
        r"|regenerat\w+) (?:\w+ ){0,3}(?:patch(?:es)?|diff)\W*"
        r"(?:$|(?:for|to|against|with|that address\w*|based|on|file|fixing|incorporat\w+|as|v?\d)\b)"
    ),
}

_RULED_OUT_SET = PatternSet(RULED_OUT.values())


def ruled_out_as(sentence: str) -> list[str]:
    """Names of the kinds of sentence that are never shown, of which this is one.

    Examples
    --------
    >>> ruled_out_as("Closing as duplicate of ABC-12."), ruled_out_as("Could you attach the logs?")
    (['state'], ['question'])
    """
    names = tuple(RULED_OUT)
    return [names[number] for number in _RULED_OUT_SET.which(encode(sentence.lower()))]
