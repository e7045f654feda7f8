import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.advice import MAX_SUMMARY_CHARS, Told, summary, what_was_done
from serving.advice_kinds import RULED_OUT, ruled_out_as
from serving.advice_signals import ACCOUNT_POINTS, POINTS, is_discussion, points, signals
from serving.advice_words import n_telling_words

RULED_OUT_EXAMPLES = {
    "question": "Did raising the limit of the worker help?",
    "courtesy": "Thanks for raising the limit of the worker.",
    "vote": "+1 the changed limit looks good to me",
    "machine": "-1 overall. Here are the results of testing the latest attachment",
    "request": "Please attach the log of the changed worker.",
    "state": "Closing as duplicate of CS-10444, where we replaced the worker.",
    "no_answer": "Updated the ticket, no reply from customer.",
    "attached": "Attaching new patch that addresses the renamed worker.",
}
SIGNAL_EXAMPLES = {
    "done_first": "Raised the memory limit of the worker",
    "done_by_someone": "On Monday we restarted the worker",
    "done_to": "The worker was restarted",
    "done_last": "Stale card removed, retry went through",
    "is_done": "The worker is restarted every night",
    "does": "This patch removes the second lock",
    "fix_is": "The fix is to rename the file",
    "decided": "I chose to make it fatal",
    "cause_is": "The problem was that the cache outlived the session",
    "fixed_elsewhere": "It is fixed in ABC-12",
    "added_after": "Revision 955179 - added property lockDelay",
    "able": "You should be able to set them in core-site.xml",
    "now_does": "The client now clears the flag",
    "decided_against": "Closing this as won't fix because the old client is not built any more",
    "background": "Before the upgrade it was slow",
    "solved_by": "This was solved by the new driver",
    "do": "Increase the heap of the broker",
    "you_can": "You can disable the cache",
    "advised": "I recommend upgrading the broker",
    "needed": "The policy needs to be configured",
    "by_doing": "It works again by setting the flag",
    "by_design": "This works as designed",
    "effect": "so that it starts",
    "named": "see hdfs-site.xml",
    "cause": "because of the disk",
    "support": "for the customer",
    "not_english": "Das Zertifikat wurde erneuert",
    "trial": "Verified on my machine",
    "opinion": "I think so",
    "plan": "I will look",
    "condition": "If so",
    "should": "It should go",
    "trouble": "It crashes",
    "development": "on trunk",
    "test": "one test",
    "told": "It went away",
    "told_first": "Uploaded the certificate",
}


@pytest.mark.parametrize("kind", RULED_OUT)
def test_each_kind_that_is_never_shown(kind: str):
    sentence = RULED_OUT_EXAMPLES[kind]
    assert kind in ruled_out_as(sentence)
    assert what_was_done(sentence) == []


@pytest.mark.parametrize("name", [*POINTS, *ACCOUNT_POINTS])
def test_each_signal_is_seen(name: str):
    assert name in signals(SIGNAL_EXAMPLES[name])
    assert name not in signals("Green pipe")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "fixed, thanks",
        "I just committed this. Thanks, Owen!",
        "Committed to trunk, branch-2 and branch-2.8.",
        "Integrated in Hadoop-trunk #123 (See https://builds.example/job/123/)",
        "Fixed by SVN revision 648887",
        "Fixed as part of HADOOP-3039",
        "Closing as duplicate of CS-10444.",
        "Duplicate of HADOOP-4887.",
        "Patch applied with thanks!",
        "patch looks good",
        "Attached patch for trunk.",
        "LGTM, +1 pending Jenkins.",
        "Resolving as won't fix.",
        "No reply from customer, closing",
        "works now",
        "Known bug. Closing.",
        "Hi Ann,\n\nany news?\n\nBest regards\nBob",
        "Could you please provide the logs of the restarted worker?",
        "All unit tests passed.",
        "Unable to reproduce with 5.1.0.",
        "I think we should change the default, maybe in another jira.",
        "Updating the fix version.",
        "<EMAIL> <PHONE>",
        "No tests have been added since it is an improvement to log.",
        "I've added some comments there.",
        "I updated the JIRA description accordingly.",
        "[root@master conf]# hdfs ec -enablePolicy -policy XOR-2-1-128k",
        "2017-07-06 09:10:44,007 Restarted the worker",
        "Makes sense, will do.",
        "No tests added as no code change was introduced.",
        "5d80b49602f [Ann] 2016-10-27 Upgrade the plugin to 2.19.1. Contributed by Ann.",
        "Just remove {{factory(conf);}}. What do you think ?",
        "Closing as invalid.",
    ],
)
def test_a_note_that_only_ends_a_case_says_nothing(note: str):
    assert what_was_done(note) == []


@pytest.mark.parametrize(
    "note",
    [
        "Rotated the SAML certificate and reloaded the identity provider metadata.",
        "Restarted the worker.",
        "New secret generated.",
        "Uploaded the new signing certificate of the identity provider.",
        "Customer changed the Audience URI in the preview org and the test user came in.",
        "The Java memory limit was raised to 4 GB.",
        "Fixed the NMS code so that it sets the max pending message limit in the Consumer Info.",
        "I've tweaked the logging to not log the stack traces to WARN.",
        "This was solved by using the failover transport on the remote queue factory in 4.1.1.",
        "You can either enable compression, or use streams or blob messages for larger messages",
        "LevelDB is deprecated and no longer supported.",
        "Reduce prefetch to zero - see http://example.com/what-is-the-prefetch-limit.html",
        "The fix is to clear the cache of groups, so that the membership will be read again.",
        "This is expected behaviour when the connection drops unexpectedly.",
        "It turned out that the file was loaded with the wrong policy.",
        "The issue was the timeout being removed from the options map after it was applied to the socket.",
        "After some more testing I was able to determine that indeed this was user error.",
        "This was due to the format of the history file, which is another one from 0.17 on.",
        "The client thread pool is now limited to 1000 by default.",
        "This was fixed in version 5.14.3",
        "I'm closing this as a WONTFIX because the classic committer isn't the right way to work with data in S3.",
        "The correct fix for this problem should be at the client, which is to renew its credential.",
        "Turned out I need to set the ACL without the hostname.",
        "Developers who want any other locale may override the default locale.",
        "You should be able to set them in core-site.xml.",
        "Ordre des taxes rétabli dans la version du 19 juin, et vérifié avec la cliente.",
        "Das Zertifikat wurde erneuert und die Metadaten neu geladen.",
    ],
)
def test_a_note_that_says_what_was_done_is_shown(note: str):
    assert [told.text for told in what_was_done(note)] == [note]


def test_only_the_sentences_that_say_it():
    note = (
        "Hi all, thanks for the patience. We raised the memory limit of the export worker. Does it work now?\n"
        "{code}\nworker.memory=4g\n{code}\nCommitted to trunk. Also restarted the stuck queue. Regards, Bob"
    )
    told = what_was_done(note)
    assert [one.text for one in told] == [
        "We raised the memory limit of the export worker.",
        "Also restarted the stuck queue.",
    ]
    assert summary(told) == "We raised the memory limit of the export worker. … Also restarted the stuck queue."


def test_the_past_tense_tells_more_in_an_account_than_in_a_discussion():
    sentence = "Tokens looked expired because the clock of one verifier drifted."
    assert not is_discussion(sentence)
    assert what_was_done(sentence)
    assert what_was_done(f"{sentence} I see the same in this patch.") == []
    assert what_was_done(sentence, is_message=True) == []
    assert points(sentence, is_account=True) > points(sentence, is_account=False)


def test_an_address_makes_no_discussion():
    assert not is_discussion("Renamed the page: https://example.com/jira/patch")
    assert is_discussion("see the jira")


def test_telling_words():
    assert n_telling_words("Committed r12345 to branch-2.8, see HADOOP-12 and #7 <EMAIL>") == 0
    assert n_telling_words("Restarted the broker") == 2


def test_a_summary_keeps_the_strongest_sentences_in_their_order():
    weak, strong = Told(0, "a" * 250, 3.0), Told(3, "b" * 250, 5.0)
    assert summary([weak, strong]) == "b" * 250
    assert summary([Told(0, "One.", 3.0), Told(1, "Two.", 5.0), Told(4, "Three.", 4.0)]) == "One. Two. … Three."
    cut = summary([Told(0, "x" * 1000, 3.0)])
    assert len(cut) == MAX_SUMMARY_CHARS
    assert cut.endswith("…")


NOTES = st.text() | st.lists(
    st.sampled_from(
        [
            "Restarted the worker.",
            "Thanks!",
            "+1",
            "{code}",
            "\n",
            "> ",
            "Raised",
            "e.g.",
            "\ud800",
            "it was",
            "Why?",
            "* ",
        ]
    )
).map(" ".join)


@given(NOTES, st.booleans())
def test_what_is_told_stands_in_the_note(note: str, is_message: bool):
    told = what_was_done(note, is_message=is_message)
    words = " ".join(note.split())
    for one in told:
        assert all(word in words for word in one.text.split())
    text = summary(told)
    assert len(text) <= MAX_SUMMARY_CHARS
    assert bool(text) == bool(told)
