"""Payloads and plain loops, by codec."""

from trackway.bench.cases import apps, logs, mails, servers, texts

CASES = (*apps.CASES, *logs.CASES, *mails.CASES, *servers.CASES, *texts.CASES)
