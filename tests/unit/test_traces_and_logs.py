"""Stack traces of five languages, and logs, cut down to what identifies them."""

from __future__ import annotations

import pytest

from features.logs import reduce_logs
from features.traces import reduce_traces

JAVA = """java.lang.IllegalStateException: closed
\tat java.base/java.util.ArrayList.get(ArrayList.java:1)
\tat java.base/java.util.ArrayList.rm(ArrayList.java:2)
\tat java.base/java.util.ArrayList.add(ArrayList.java:3)
\tat com.acme.Pool.take(Pool.java:10)
\tat com.acme.Pool.run(Pool.java:11) ~[acme-1.2.jar:1.2]

\tat com.acme.Main.<init>(Main.java:12)
\tat com.acme.Main.main(Main.java)
\tat com.acme.Launcher.call(Native Method)
Caused by: java.io.IOException: disk full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Disk.sync(Disk.java:8)
\tat com.acme.Disk.flush(Disk.java:9)
\t... 12 more
and then nothing"""
JAVA_SHORT = """java.lang.IllegalStateException: closed
at java.util.ArrayList.get
at java.util.ArrayList.rm
at com.acme.Pool.take
at com.acme.Pool.run
at com.acme.Main.<init>
at com.acme.Main.main
Caused by: java.io.IOException: disk full
at com.acme.Disk.write
at com.acme.Disk.sync
and then nothing"""
PYTHON = """Traceback (most recent call last):
  File "/srv/app/jobs/main.py", line 3, in <module>
    run()
  File "/srv/app/jobs/push.py", line 57, in push
    r.raise_for_status()
    ^^^^^^^^^^^^^^^^^^^^
requests.exceptions.HTTPError: 500 Server Error"""
PYTHON_SHORT = """at jobs/push.py push
at jobs/main.py <module>
requests.exceptions.HTTPError: 500 Server Error"""
NODE = """Error: Request failed with status code 504
    at createError (axios/lib/core/createError.js:16:15)
    at async Object.fetchPage [as fetch] (file:///srv/etl/page.mjs:44:11)
    at /srv/etl/main.js:1:2"""
NODE_SHORT = """Error: Request failed with status code 504
at createError createError.js
at Object.fetchPage page.mjs
at main.js"""
GO = """panic: runtime error: invalid memory address
[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x9c41fe]
goroutine 1 [running]:
example.com/edge/internal/sink.(*Registry).Lookup(0x0, {0xc0001a6d20, 0x9})
\t/src/internal/sink/registry.go:88 +0x3e
main.main()
\t/src/cmd/edge/main.go:61 +0x4b1
created by main.start
\t/src/cmd/edge/main.go:9
Rollback is not possible"""
GO_SHORT = """panic: runtime error: invalid memory address
at sink.Registry.Lookup
at main.main
Rollback is not possible"""
DOTNET = """System.NullReferenceException: Object reference not set
   at Acme.Billing.Invoice.Total(Decimal rate, Int32 n) in C:\\src\\Invoice.cs:line 12
   bei Acme.Billing.Run.Execute() in C:\\src\\Run.cs:Zeile 9
--- End of stack trace from previous location ---
   at System.Threading.Task.Wait()"""
DOTNET_SHORT = """System.NullReferenceException: Object reference not set
at Acme.Billing.Invoice.Total
at Acme.Billing.Run.Execute"""


@pytest.mark.parametrize(
    ("trace", "short"),
    [(JAVA, JAVA_SHORT), (PYTHON, PYTHON_SHORT), (NODE, NODE_SHORT), (GO, GO_SHORT), (DOTNET, DOTNET_SHORT)],
    ids=["java", "python", "node", "go", "dotnet"],
)
def test_traces(trace: str, short: str):
    lines = reduce_traces(trace.split("\n"))
    assert lines == short.split("\n")
    assert reduce_traces(lines) == lines


def test_a_trace_that_lost_its_line_ends():
    joined = " ".join(line.strip() for line in JAVA.split("\n")[:7])
    assert reduce_traces([f"It says {joined}"])[:3] == [
        "It says java.lang.IllegalStateException: closed",
        "at java.util.ArrayList.get",
        "at java.util.ArrayList.rm",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "at the moment it fails (see below)",
        "at home",
        "I was at node1.example.com (in Berlin) at noon",
        'File "x"',
        "en fin (ya)",
    ],
)
def test_prose_is_no_trace(text: str):
    assert reduce_traces([text]) == [text]


@pytest.mark.parametrize(
    "stamp",
    [
        "2018-07-11 11:10:44,462 ",
        "[2018-07-11T11:10:44.462Z] ",
        "2018/07/11 11:10:44 | ",
        "12/07/02 18:41:44 ",
        "060411 202203 ",
        "Jan  5 11:10:44 ",
        "Mon Jan 5 11:10:44 CST 2016 ",
        "05/Jan/2026:11:10:44 +0000 ",
        "11:10:44.462 ",
        "  I0111 11:10:44.462123 ",
    ],
)
def test_time_stamps_go(stamp: str):
    assert reduce_logs([f"{stamp}ERROR x failed", "prose 11:10:44"]) == ["ERROR x failed", "prose 11:10:44"]


def test_of_a_long_log_what_went_wrong_stays():
    log = [f"2026-01-05 11:10:{second:02} INFO step {second}" for second in range(30)]
    log[11] = "2026-01-05 11:10:11 WARN retry refused"
    log[20] = "2026-01-05 11:10:20 INFO dump"
    log.insert(21, "  of several lines")
    assert reduce_logs(["before", *log, "after"]) == [
        "before",
        "INFO step 0",
        "WARN retry refused",
        "INFO dump",
        "  of several lines",
        "INFO step 29",
        "after",
    ]


def test_stamped_frames_are_left_to_the_trace_rules():
    log = [f"2026-01-05T11:10:44Z   at a.b.C.m{number}(C.java:{number})" for number in range(9)]
    assert reduce_logs(log) == [f"at a.b.C.m{number}(C.java:{number})" for number in range(9)]
