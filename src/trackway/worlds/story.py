"""What one visitor of the simulated company does, from the first page to a subscription or silence.

    visit → form → scored → synced to the CRM ─┐
      │       └→ nurtured by mail → visit again ┼→ sign up → log in, use features → subscribe
      └──────── comes back some days later ─────┘

Each step keeps the seconds at which it happened; calls come in the order they were made, not sorted
across steps, since a mail of tomorrow is written down before the visit it leads to.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from trackway.worlds import calls
from trackway.worlds.calls import Browser, Call
from trackway.worlds.people import Visitor, identifier

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PAGES = (
    "/",
    "/pricing",
    "/features",
    "/docs",
    "/docs/quickstart",
    "/blog/clean-events",
    "/blog/utm-guide",
    "/customers",
)
FEATURES = ("dashboard", "report", "export", "import", "alert", "team")
FORMS = {"guide": "/blog/clean-events", "newsletter": "/", "demo": "/demo"}
MAILS = {"welcome": (0.01, 2, 5, 9, 14), "onboarding": (0.01, 1, 3, 7, 12)}
"""Days after enrolment at which each journey sends a mail."""


@dataclass(slots=True)
class Story:
    """One visitor's calls; `write` makes all of them."""

    rng: random.Random
    visitor: Visitor
    calls: list[tuple[float, Call]] = field(default_factory=list)
    points: float = 0.0
    """Lead score so far."""
    signed_up: float | None = None
    """When, in seconds since 1970."""

    def write(self, start: float) -> list[tuple[float, Call]]:
        """All calls of the visitor whose first visit begins at `start`, with the second at which each was made."""
        channel = self.visitor.channel
        at, browser = start, self._arrive(channel.source, channel.medium, channel.campaign, channel.referrer)
        landing = self.rng.choice(channel.landing)
        for _ in range(6):
            at = self._visit(browser, at, landing)
            if self._tempted():
                self._sign_up(browser, at)
                break
            if self._chance(0.14 * channel.signs_up):
                at = self._submit(browser, at)
            if not self._chance(0.30):
                break
            at = self._later(at, self.rng.uniform(0.5, 9))
            browser, landing = self._arrive("", "", "", ""), self.rng.choice(PAGES)
        return self.calls

    def _arrive(self, source: str, medium: str, campaign: str, referrer: str) -> Browser:
        tagged = (source, medium, campaign) if campaign else None
        return Browser(self.visitor, self.rng, self.visitor.anonymous_id, campaign=tagged, referrer=referrer)

    def _visit(self, browser: Browser, at: float, landing: str) -> float:
        """Page views with reading time between them; returns when the last one was left."""
        path = landing
        while True:
            self._keep(at, browser.page(at, path))
            self.points += {"/pricing": 8, "/docs": 4, "/demo": 10}.get(path, 1)
            at += min(self.rng.lognormvariate(3.6, 0.9), 25 * MINUTE)
            if not self._chance(0.66):
                return at
            path = self.rng.choice(PAGES)

    def _submit(self, browser: Browser, at: float) -> float:
        """A form seen and perhaps sent; then the lead is scored, synced, and nurtured when it is lukewarm."""
        form = self.rng.choices(list(FORMS), (5, 3, 2))[0]
        path = FORMS[form]
        self._keep(at, browser.track(at, path, "Form Viewed", form_id=form))
        if not self._chance(0.55):
            return at
        at += self.rng.uniform(15, 120)
        traits = self.visitor.traits
        fields = {"form_id": form, "email": traits["email"], "company_size": traits["company_size"]}
        self._keep(at, browser.identify(at, path))
        self._keep(at + 0.2, browser.track(at + 0.2, path, "Form Submitted", **fields))
        self.points += {"guide": 15, "newsletter": 5, "demo": 40}[form]
        score = self._score(at + self.rng.uniform(2, 9), {"anonymousId": browser.anonymous_id})
        if form != "demo" and score < 50:
            return self._nurture(browser, at, "welcome")
        return at + MINUTE

    def _score(self, at: float, ids: dict[str, str]) -> int:
        """The scoring service speaks, and leads of fifty points and more go to the CRM."""
        score = min(100, round(self.points + 6 * len(str(self.visitor.company_size)) + self.rng.gauss(0, 4)))
        grade = "hot" if score >= 50 else "warm" if score >= 25 else "cold"
        self._keep(at, calls.service(self.rng, at, "Lead Scored", ids, score=score, grade=grade, model="rules-4"))
        if score >= 50:
            at += self.rng.expovariate(1 / 40)
            failed = self._chance(0.03)
            outcome = {"error": "rate_limited"} if failed else {"owner": f"team-{self.visitor.country.code.lower()}"}
            event = "CRM Sync Failed" if failed else "CRM Synced"
            self._keep(at, calls.service(self.rng, at, event, ids, object="lead", score=score, **outcome))
        return score

    def _nurture(self, browser: Browser, at: float, journey: str) -> float:
        """The mails of a journey, until one is clicked (then a visit begins) or the reader unsubscribes."""
        ids = {"userId": browser.user_id} if browser.user_id else {"anonymousId": browser.anonymous_id}

        def say(when: float, event: str, **properties: object) -> None:
            self._keep(when, calls.service(self.rng, when, event, ids, journey=journey, **properties))

        say(at + 5, "Journey Enrolled")
        for number, days in enumerate(MAILS[journey], start=1):
            sent = at + days * DAY + self.rng.uniform(0, 20 * MINUTE)
            say(sent, "Email Sent", mail=number)
            if not self._chance(0.42):
                continue
            opened = sent + self.rng.expovariate(1 / (4 * HOUR))
            say(opened, "Email Opened", mail=number)
            if self._chance(0.02):
                say(opened + 30, "Email Unsubscribed", mail=number)
                return opened
            if self._chance(0.22):
                clicked = opened + self.rng.uniform(10, 90)
                say(clicked, "Email Clicked", mail=number)
                self.points += 6
                return self._visit(self._mailed(browser, journey), clicked + 2, self.rng.choice(("/pricing", "/trial")))
        return sent

    def _mailed(self, browser: Browser, journey: str) -> Browser:
        return Browser(
            self.visitor, self.rng, browser.anonymous_id, browser.user_id, ("crm", "email", journey), referrer=""
        )

    def _tempted(self) -> bool:
        """Whether this visit ends in a sign-up: the company's rate, times who it is and how warm it got."""
        who = self.visitor
        warmth = 0.6 + min(self.points, 60) / 40
        return self._chance(0.034 * who.channel.signs_up * who.country.signs_up * who.device.signs_up * warmth)

    def _sign_up(self, browser: Browser, at: float) -> None:
        """An anonymous visitor becomes a user, and begins to use the product."""
        self._keep(at, browser.page(at, "/signup"))
        if not self._chance(0.74):
            return
        at += self.rng.uniform(30, 180)
        user = self.visitor.user_id
        if self._chance(0.1):
            self._keep(at, calls.alias(self.rng, at, browser.anonymous_id, user))
        known = browser.known(user)
        self._keep(at + 0.1, known.identify(at + 0.1, "/signup"))
        method = self.rng.choices(("email", "google", "saml"), (6, 3, 1))[0]
        self._keep(at + 0.3, known.track(at + 0.3, "/signup", "Signed Up", method=method, plan="trial"))
        self.signed_up = at
        self.points += 30
        self._score(at + self.rng.uniform(2, 9), {"userId": user})
        self._nurture(known, at, "onboarding")
        self._use(known, at)

    def _use(self, known: Browser, at: float) -> None:
        """Days with and without the product; the interest fades, faster for some channels than for others."""
        interest = min(0.8, 0.26 * self.visitor.channel.stays * self.rng.uniform(0.4, 1.6))
        interest *= 0.15 if self._chance(0.25) else 1.0
        second = Browser(self.visitor, self.rng, identifier(self.rng)) if self._chance(0.3) else known
        day, first, paid = at, True, False
        while interest > 0.005 and day < at + 60 * DAY:
            if first or self._chance(interest):
                browser = second if not first and self._chance(0.3) else known
                self._session(browser, day + MINUTE if first else self._later(day, 0))
            if not paid and day - at > 9 * DAY and self._chance(0.35 * interest):
                paid = True
                self._subscribe(known, self._later(day, 0) + HOUR)
            interest *= 1.0 if paid else 0.965
            day, first = day + DAY, False

    def _session(self, browser: Browser, at: float) -> None:
        """A log-in and what is done after it; on a second device a page is seen before anyone is known."""
        if browser.user_id is None:
            self._keep(at, browser.page(at, "/login"))
            browser, at = browser.known(self.visitor.user_id), at + 12
            self._keep(at, browser.identify(at, "/login"))
        self._keep(at, browser.track(at, "/login", "Logged In", method="password"))
        for _ in range(1 + int(self.rng.expovariate(1 / 2.5))):
            at += self.rng.lognormvariate(4.2, 1.0)
            feature = self.rng.choices(FEATURES, (10, 7, 4, 2, 2, 1))[0]
            self._keep(at, browser.track(at, f"/app/{feature}", "Feature Used", feature=feature))

    def _subscribe(self, known: Browser, at: float) -> None:
        """Money, and the CRM hears of it."""
        seats = max(1, round(self.visitor.company_size * self.rng.uniform(0.02, 0.2)))
        plan, price = ("business", 39) if seats >= 10 else ("team", 19)
        self._keep(
            at, known.track(at, "/app/billing", "Subscription Started", plan=plan, seats=seats, mrr=seats * price)
        )
        ids = {"userId": self.visitor.user_id}
        self._keep(at + 20, calls.service(self.rng, at + 20, "CRM Synced", ids, object="deal", amount=seats * price))

    def _later(self, at: float, days: float) -> float:
        """A moment some days after `at`, in the waking hours of the visitor."""
        day = (at + days * DAY) // DAY * DAY
        hour = min(23.5, max(0.5, self.rng.gauss(13.5, 3.5))) - self.visitor.country.offset
        return max(at + 5 * MINUTE, day + hour * HOUR)

    def _chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def _keep(self, at: float, call: Call) -> None:
        self.calls.append((at, call))
