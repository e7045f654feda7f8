"""Which words of a ticket a reason may name: not those that every ticket has, whatever a model makes of them.

What such words add stays in the score; it is only not listed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from features.feature_space import Example
from features.language import ticket_language
from features.text import written_text
from features.volatile import KIND_WORDS

_WORD = re.compile(r"\w+")

# Articles, pronouns, auxiliaries, prepositions, conjunctions and courtesies, with what is left of them before and
# after an apostrophe. Neither negations nor words such as "all" and "down", which turn round or weigh what is said. A
# word of one language may say something in another (German "die", "war"): each ticket has the words of its own.
_ENGLISH = """
a an the this that these those i me my mine myself we us our ours ourselves you your yours yourself he him his she her
hers it its itself they them their theirs themselves who whom whose which what am is are was were be been being do does
did doing done have has had having will would shall should can could may might must and or but so if then than as
because since while although though whether of in on at by for from to with within into onto about through over up upon
via per there here when where why how just also too very ve re ll don doesn didn isn aren wasn weren hasn haven hadn
wouldn couldn shouldn please thanks thank hi hello dear regards
"""
_FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": _ENGLISH,
        "de": """
        der die das den dem des ein eine einen einem einer eines dies diese diesen diesem dieser dieses ich mich mir
        mein meine meinen wir uns unser unsere unseren du dich dir sie ihr ihre ihren ihnen er ihn ihm es sich man wer
        was welche bin ist sind war waren sein wird werden wurde wurden worden hat habe haben hatte hatten kann können
        konnte muss müssen soll sollte und oder aber denn wenn als wie ob da dass weil in im an am auf aus bei beim für
        mit nach seit von vom vor zu zum zur über unter um durch auch noch schon nun hier dort so bitte danke hallo
        """,
        "es": """
        el la lo los las un una unos unas este esta estos estas ese esa eso yo me mi mis nos nuestro nuestra nosotros
        tu su sus se le les él ella ellos ellas que qué quien cual es son era fue ser está están estar ha han he hemos
        haber hay puede pueden y e o u pero si porque como cuando donde de del en a al por para con desde hasta sobre
        entre muy ya aquí por favor gracias hola
        """,
        "fr": """
        le la les l un une des du de d ce cet cette ces c je j me m mon ma mes moi nous notre nos vous votre vos il
        elle ils elles on se s son sa ses leur leurs qui que qu quoi quel quelle est sont était être été a ont avons
        avez avoir peut pouvons et ou mais si car comme quand où à au aux en dans sur sous par pour avec depuis chez
        entre y n très aussi merci bonjour
        """,
        "it": """
        il lo la i gli le l un uno una questo questa questi queste io mi mio mia noi ci nostro nostra tu voi vi vostro
        lui lei loro si suo sua che chi quale è sono era essere stato ha hanno ho abbiamo avere può e ed o ma se perché
        come quando dove di del della dei delle a al alla ai alle da dal dalla in nel nella su sul sulla con per tra
        fra anche già qui grazie ciao buongiorno
        """,
        "nl": """
        de het een dit dat deze die ik me mij mijn wij we ons onze je jij jullie u uw hij hem zijn zij ze haar hun wie
        wat welke is ben bent was waren wordt worden werd heeft heb hebben had kan kunnen moet en of maar als omdat dan
        hoe wanneer waar van in op aan bij door voor met naar om over uit te tot sinds er hier daar ook nog al graag
        bedankt hallo
        """,
        "pt": """
        o a os as um uma uns umas este esta estes estas esse essa isso eu me meu minha nós nos nosso nossa você vocês
        se seu sua ele ela eles elas que quem qual é são era foi ser está estão estar tem têm ter há pode podem e ou
        mas se porque como quando onde de do da dos das em no na nos nas por pelo pela para com desde até sobre entre
        muito já aqui favor obrigado obrigada olá
        """,
    }.items()
}


def telling_words(example: Example) -> Callable[[str], bool]:
    """Tell of the phrases of a ticket whether all of their words say something.

    Neither a function word does, nor a single letter or digit of a script whose words are longer, nor a word that
    stands in the model text for a mask or a volatile token, and that the ticket itself does not hold.

    Examples
    --------
    >>> import numpy as np
    >>> from features.text import model_text
    >>> from features.ticket import Ticket
    >>> ticket = Ticket(subject="We see the audience rejected for <EMAIL>")
    >>> tells = telling_words(Example(ticket, model_text(ticket), np.zeros(2, np.float32)))
    >>> tells("audience rejected"), tells("the audience"), tells("we"), tells("email"), tells("x")
    (True, False, False, False, False)
    """
    language = ticket_language(example.ticket, example.text)
    silent = _FUNCTION_WORDS.get(language or "en", frozenset())
    silent |= KIND_WORDS - set(_WORD.findall(written_text(example.ticket).lower()))
    return lambda phrase: not any(word in silent or _is_one_letter(word) for word in phrase.split(" "))


def _is_one_letter(word: str) -> bool:
    # Of scripts without upper and lower case, such as Chinese, one letter may be a word.
    return len(word) == 1 and unicodedata.category(word) != "Lo"
