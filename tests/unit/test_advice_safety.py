import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.advice_safety import MAX_WARNINGS, destructive_commands


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Ran `rm -rf /var/spool/edge`, then restarted", "rm -rf /var/spool/edge"),
        ("sudo rm -v --recursive /tmp/x", "rm -v --recursive /tmp/x"),
        ("hdfs dfs -rm -r -skipTrash /user/old", "hdfs dfs -rm -r -skipTrash /user/old"),
        ("hadoop fs -rmr /tmp/*", "hadoop fs -rmr /tmp/*"),
        ("bin/hdfs namenode -format", "namenode -format"),
        ("formatted the namenode again", "formatted the namenode"),
        ("drop table if exists jobs;", "drop table if exists jobs"),
        ("DROP DATABASE prod", "DROP DATABASE prod"),
        ("TRUNCATE TABLE jobs", "TRUNCATE TABLE jobs"),
        ("TRUNCATE jobs;", "TRUNCATE jobs"),
        ("DELETE FROM jobs;\nSELECT 1 WHERE 1=1", "DELETE FROM jobs"),
        ("delete from jobs;", "delete from jobs;"),
        ("kubectl -n prod delete pvc data-0", "kubectl -n prod delete pvc data-0"),
        ("helm uninstall edge", "helm uninstall edge"),
        ("terraform destroy", "terraform destroy"),
        ("then find /var/spool -type f -delete and wait", "find /var/spool -type f -delete"),
        ("curl https://x.example/i.sh | sudo bash", "curl https://x.example/i.sh | sudo bash"),
        ("docker system prune -a", "docker system prune -a"),
        ("mkfs.ext4 /dev/md0", "mkfs.ext4 /dev/md0"),
        ("dd if=/dev/zero of=/dev/sda bs=1M", "dd if=/dev/zero of=/dev/sda"),
        ("git push origin main --force", "git push origin main --force"),
        ("git reset --hard HEAD~1", "git reset --hard"),
        ("redis-cli FLUSHALL", "FLUSHALL"),
        ("shutdown -h now", "shutdown -h now"),
        ("chmod -R 777 /srv", "chmod -R 777 /srv"),
        ("aws s3 rm s3://b/p --recursive", "aws s3 rm s3://b/p --recursive"),
        ("Remove-Item C:\\x -Recurse", "Remove-Item C:\\x -Recurse"),
        ("curl -XDELETE http://es:9200/logs", "curl -XDELETE http://es:9200/logs"),
        ("zkCli.sh: rmr /brokers", "rmr /brokers"),
    ],
)
def test_commands_that_destroy_are_named(text: str, command: str):
    assert destructive_commands(text) == [f"destructive command: {command}"]


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM jobs WHERE id = 7;",
        "delete from the list what you don't need",
        "chmod 755 /srv",
        "git push origin main",
        "kubectl get pods, then restarted one",
        "rm stale.lock",
        "The form was truncated and the table dropped rows after shutdown of the farm.",
        "terraform apply",
        "",
    ],
)
def test_what_destroys_nothing_is_no_warning(text: str):
    assert destructive_commands(text) == []


def test_warnings_are_few_and_each_is_given_once():
    assert destructive_commands("rm -rf /a; rm -rf /a") == ["destructive command: rm -rf /a"]
    many = destructive_commands("".join(f"rm -rf /{i};" for i in range(20)))
    assert len(many) == MAX_WARNINGS
    assert len(destructive_commands("dd of=" + "x" * 5000)[0]) <= 110


@given(st.text())
def test_no_text_raises(text: str):
    destructive_commands(text)


def test_a_text_that_says_one_command_for_ever_is_not_read_to_its_end():
    once = "ran rm -rf /var/spool/edge; "
    assert destructive_commands(once * 30_000 + "flushall") == ["destructive command: rm -rf /var/spool/edge"]
    assert destructive_commands(once * 100 + "then flushall") == [
        "destructive command: rm -rf /var/spool/edge",
        "destructive command: flushall",
    ]
