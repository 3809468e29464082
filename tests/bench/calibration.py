"""What calibrating is worth, on simulated homes: how the prior was chosen, and errors in rooms that it never saw.

    python tests/bench/calibration.py --split dev     # chooses; writes the prior beside the bundle, prints the rest
    python tests/bench/calibration.py                 # measures on homes of test, too, and writes the result

Homes are those of ``calibration_homes.py``. Errors are counted on clips that calibration did not see, at the bundle's
accept cut-off: live clips refused, replays passed. The *risk* weighs both as that cut-off does: with calibrated
probabilities a cut-off of p is the best one if refusing a person is (1 - p) / p times as bad as passing a replay. Where
a person lives ``alone`` the live clips are their own; a ``household`` has another person who never calibrated. Replays
are of both, by the loudspeakers that calibrated and by others. Approaches:

``shipped``   the bundle as it is
``refit``     Platt scaling on the takes, without a prior
``quantile``  the cut-off below which 5 % of the takes lie, by a normal distribution
``shift``     the offset alone, by how far the means of takes and replays are from those of dev, each shrunk by its
              reliability (best linear prediction); two weights chosen on dev
``map``       slope and offset, with Gaussian priors about the bundle's (``edge.calibration_fit``); two spreads chosen
              on dev: what is shipped

On dev all is cross-validated over homes. Chosen is what has the least risk in households, over 5, 10 and 20 takes.
"""

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from processes import ROOT, data_folder

TAKES = (5, 10, 20)
CALIBRATING = 20
DRAWS = 8
FOLDS = 5
SLOPES = (0.2, 0.4, 0.8, 1.6)
OFFSETS = (0.25, 0.5, 1.0, 2.0)
LIVE_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8)
REPLAY_WEIGHTS = (0.0, 0.15, 0.3, 0.45)
REFUSED = 0.05
VAGUE = 30.0
RESAMPLINGS = 4000

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Floats], tuple[float, float]]
"""From takes and replays to slope and offset."""


class Home(NamedTuple):
    """Log-likelihood ratios of one home's clips by the bundle."""

    takes: Floats
    phone: Floats
    tv: Floats
    live: dict[str, Floats]
    replay: Floats
    own_live: Floats
    own_replay: Floats


def homes_of(rows: dict[str, npt.NDArray[Any]]) -> list[Home]:
    """Divide clips into homes; clips that the gate gives no answer to, whoever speaks, are left out."""
    from edge.bundle import open_bundle
    from edge.calibration_fit import ratios

    x = ratios(open_bundle().liveness, rows["score"])
    judged = rows["flags"] == ""
    homes = []
    for home in np.unique(rows["home"]):
        of: dict[str, Floats] = {}
        kinds: dict[str, npt.NDArray[np.str_]] = {}
        later: dict[str, Floats] = {}
        for group in ("owner", "own", "others", "strangers", "voices"):
            chosen = np.flatnonzero((rows["home"] == home) & (rows["group"] == group))
            first = chosen[: CALIBRATING if group in ("owner", "own") else 0]
            rest = chosen[first.size :]
            first, rest = first[judged[first]], rest[judged[rest]]
            of[group], kinds[group], later[group] = x[first], rows["kind"][first], x[rest]
        homes.append(
            Home(
                of["owner"],
                of["own"][kinds["own"] == "phone"],
                of["own"][kinds["own"] == "tv"],
                {"alone": later["owner"], "household": np.concatenate((later["owner"], later["others"]))},
                np.concatenate((later["own"], later["strangers"], later["voices"])),
                later["owner"],
                later["own"],
            )
        )
    return homes


def drawn(home: Home, takes: int, seed: int) -> tuple[Floats, Floats]:
    """Draw takes, and as many replays of both loudspeakers together."""
    rng = np.random.default_rng([takes, seed])

    def some(values: Floats, count: int) -> Floats:
        return values[rng.permutation(values.size)[:count]]

    return some(home.takes, takes), np.concatenate((some(home.phone, takes - takes // 2), some(home.tv, takes // 2)))


class Errors(NamedTuple):
    """Of one home, a mean over draws."""

    refused: float
    passed: float

    def risk(self, price: float) -> float:
        return (price * self.refused + self.passed) / (1.0 + price)


def errors(home: Home, who: str, rule: Rule, takes: int, cut: float) -> Errors:
    """Count errors in a home after it was calibrated, a mean over draws of the takes."""
    found = []
    for seed in range(DRAWS if takes < CALIBRATING else 1):
        slope, offset = rule(*drawn(home, takes, seed))
        found.append((np.mean(slope * home.live[who] + offset < cut), np.mean(slope * home.replay + offset >= cut)))
    return Errors(*np.mean(found, axis=0).tolist())


def map_rule(slope_spread: float, offset_spread: float) -> Rule:
    """Return the rule that is shipped, with these spreads."""
    from edge.calibration_fit import fit_line

    prior = _prior(slope_spread, offset_spread)
    return lambda live, replay: tuple(fit_line(live, replay, prior))  # type: ignore[return-value]


def _prior(slope_spread: float, offset_spread: float, **more: Any) -> Any:
    from edge.calibration_prior import Prior, Share, Spread

    nothing = Share(1.0, 1.0)
    rest = {"source": "-", "live": Spread(0.0, 1.0, 1.0), "refused_live": nothing, "passed_replays": nothing, **more}
    return Prior(slope_spread=slope_spread, offset_spread=offset_spread, **rest)


def quantile_rule(cut: float) -> Rule:
    """Return the rule that lets a share of the takes be refused, by a normal distribution."""
    from statistics import NormalDist

    reach = NormalDist().inv_cdf(REFUSED)

    def rule(live: Floats, replay: Floats) -> tuple[float, float]:
        del replay
        return 1.0, cut - (float(live.mean()) + reach * float(live.std(ddof=1)))

    return rule


def shift_rule(homes: list[Home], live_weight: float, replay_weight: float) -> Rule:
    """Return the rule that moves the offset as the means lie from those of these homes."""

    def of_class(values: list[Floats]) -> tuple[float, float, float]:
        within = float(np.mean([x.var(ddof=1) for x in values]))
        means = np.array([x.mean() for x in values])
        between = float(means.var(ddof=1)) - within * float(np.mean([1 / x.size for x in values]))
        return float(means.mean()), max(between, 1e-3), within

    one = of_class([home.takes for home in homes])
    other = of_class([np.concatenate((home.phone, home.tv)) for home in homes])

    def rule(live: Floats, replay: Floats) -> tuple[float, float]:
        moved = 0.0
        for values, (mean, between, within), weight in ((live, one, live_weight), (replay, other, replay_weight)):
            moved += weight * between / (between + within / values.size) * (float(values.mean()) - mean)
        return 1.0, -moved

    return rule


def table(homes: list[Home], rules: dict[str, Rule], cut: float) -> dict[tuple[str, str, int], list[Errors]]:
    """Count the errors of all rules, by rule, who lives there, and takes: a list over homes."""
    from tqdm import tqdm

    jobs = list(itertools.product(rules, ("alone", "household"), TAKES))
    return {
        (name, who, takes): [errors(home, who, rules[name], takes, cut) for home in homes]
        for name, who, takes in tqdm(jobs, unit="rule", mininterval=5)
    }


def chosen_on(dev: list[Home], cut: float, price: float) -> tuple[dict[str, Any], *tuple[tuple[float, float], ...]]:
    """Compare the approaches on dev; return what was found, the spreads of ``map`` and the weights of ``shift``."""
    maps = {pair: map_rule(*pair) for pair in itertools.product(SLOPES, OFFSETS)}
    shifts = list(itertools.product(LIVE_WEIGHTS, REPLAY_WEIGHTS))
    fixed: dict[str, Rule] = {
        "shipped": lambda live, replay: (1.0, 0.0),
        "refit": map_rule(VAGUE, VAGUE),
        "quantile": quantile_rule(cut),
    }
    rules: dict[str, Rule] = {**fixed, **{f"map {a} {b}": rule for (a, b), rule in maps.items()}}
    found = table(dev, rules, cut)
    # Means of a home are those of the others: five folds.
    folds = [[home for i, home in enumerate(dev) if i % FOLDS == fold] for fold in range(FOLDS)]
    for fold in range(FOLDS):
        rest = [home for other in range(FOLDS) if other != fold for home in folds[other]]
        part = table(folds[fold], {f"shift {a} {b}": shift_rule(rest, a, b) for a, b in shifts}, cut)
        for key, values in part.items():
            # In the order of the homes, so that folds can be chosen in below.
            of_key = found.setdefault(key, [None] * len(dev))  # type: ignore[list-item]
            of_key[fold::FOLDS] = values

    def risk(name: str, homes: list[int]) -> float:
        return float(np.mean([found[name, "household", takes][i].risk(price) for takes in TAKES for i in homes]))

    def best(kind: str, homes: list[int]) -> str:
        risks = {name: risk(name, homes) for name in dict.fromkeys(key[0] for key in found) if name.startswith(kind)}
        return min(risks, key=risks.__getitem__)

    everyone = list(range(len(dev)))
    report: dict[str, Any] = {"homes": len(dev), "risk": {}}
    for kind in ("map ", "shift "):
        # What the choice costs: each fold by what was best on the others.
        by_fold = [best(kind, [i for i in everyone if i % FOLDS != fold]) for fold in range(FOLDS)]
        for who, takes in itertools.product(("alone", "household"), TAKES):
            found[kind.strip(), who, takes] = [found[by_fold[i % FOLDS], who, takes][i] for i in everyone]
    for name in (*fixed, "map", "shift"):
        report["risk"][name] = {
            who: {str(takes): _mean_risk(found[name, who, takes], price) for takes in TAKES}
            for who in ("alone", "household")
        }
    spreads, weights = (tuple(map(float, best(kind, everyone).split()[1:])) for kind in ("map ", "shift "))
    report["chosen"] = {"slope_spread": spreads[0], "offset_spread": spreads[1], "shift_weights": list(weights)}
    report["grid_household"] = {name: round(risk(name, everyone), 4) for name in rules if name.startswith("map ")}
    return report, spreads, weights  # type: ignore[return-value]


def _mean_risk(found: list[Errors], price: float) -> float:
    return round(float(np.mean([one.risk(price) for one in found])), 4)


def prior_of(dev: list[Home], spreads: tuple[float, float], cut: float, source: str) -> Any:
    """Make the prior from homes: the spreads, how people are judged, and how shares are distributed."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    from edge.calibration_prior import Share, Spread

    def beta(counts: list[tuple[int, int]]) -> Share:
        hits, n = np.array(counts, float).T

        def loss(at: Floats) -> float:
            a, b = np.exp(at)
            return -float(np.sum(betaln(a + hits, b + n - hits) - betaln(a, b)))

        a, b = np.exp(minimize(loss, np.zeros(2), method="Nelder-Mead").x)
        return Share(round(float(a), 3), round(float(b), 3))

    within = float(np.sqrt(np.mean([home.takes.var(ddof=1) for home in dev])))
    means = np.array([home.takes.mean() for home in dev])
    between = float(np.sqrt(means.var(ddof=1) - within**2 * np.mean([1 / home.takes.size for home in dev])))
    # By the bundle as it is: see edge.calibration_prior on why there is no other one for calibrations.
    refused = [(int(np.sum(home.own_live < cut)), home.own_live.size) for home in dev]
    passed = [(int(np.sum(home.own_replay >= cut)), home.own_replay.size) for home in dev]
    return _prior(
        *spreads,
        source=source,
        live=Spread(round(float(means.mean()), 3), round(between, 3), round(within, 3)),
        refused_live=beta(refused),
        passed_replays=beta(passed),
    )


def interval(values: Floats, seed: int) -> list[float]:
    """Return the 95 % interval of a mean over homes, by resampling them."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(values.size, size=(RESAMPLINGS, values.size))].mean(axis=1)
    return [round(float(x), 4) for x in np.quantile(means, (0.025, 0.975))]


def measured(homes: list[Home], rules: dict[str, Rule], cut: float, price: float, seed: int) -> dict[str, Any]:
    """Measure all approaches on homes."""
    found = table(homes, rules, cut)
    report: dict[str, Any] = {}
    for (name, who, takes), values in found.items():
        risks, shipped = (
            np.array([one.risk(price) for one in some]) for some in (values, found["shipped", who, takes])
        )
        entry = {
            "risk": round(float(risks.mean()), 4),
            "refused_live": round(float(np.mean([one.refused for one in values])), 4),
            "passed_replays": round(float(np.mean([one.passed for one in values])), 4),
        }
        entry["half_total_error"] = round((entry["refused_live"] + entry["passed_replays"]) / 2, 4)
        if name != "shipped":
            change = risks - shipped
            entry |= {
                "risk_change": round(float(change.mean()), 4),
                "risk_change_interval_95": interval(change, seed),
                "homes_better": int(np.sum(change < -1e-9)),
                "homes_worse": int(np.sum(change > 1e-9)),
                "worst_change": round(float(change.max()), 4),
            }
        report.setdefault(who, {}).setdefault(str(takes), {})[name] = entry
    by_home = [
        {
            who: {
                name: {"refused_live": round(one.refused, 3), "passed_replays": round(one.passed, 3),
                       "risk": round(one.risk(price), 3)}
                for name in ("shipped", "map")
                for one in (found[name, who, 10][i],)
            }
            for who in ("alone", "household")
        }
        for i in range(len(homes))
    ]  # fmt: skip
    return {"homes": len(homes), "approaches": report, "by_home_10_takes": by_home}


def coverage(homes: list[Home], prior: Any, accept_cutoff: float, cut: float) -> dict[str, Any]:
    """See whether what was expected came: clips of the same people and loudspeakers that calibration did not see."""
    from scipy.stats import betabinom

    from edge.calibration_fit import check_takes, expectations, fit_line
    from edge.errors import DataError

    report = {}
    for takes in TAKES:
        rows: dict[str, list[tuple[float, float, bool]]] = {}
        refused_homes = 0
        for home in homes:
            live, replay = drawn(home, takes, 0)
            try:
                check_takes(live, replay, prior)
            except DataError:
                refused_homes += 1
                continue
            line = fit_line(live, replay, prior)
            shares = expectations(live, replay, prior, accept_cutoff)
            for name, share, of_prior, values, passes in (
                ("refused_live", shares[0], prior.refused_live, home.own_live, False),
                ("passed_replays", shares[1], prior.passed_replays, home.own_replay, True),
            ):
                for when in ("before", "after"):
                    judged = values if when == "before" else line.of(values)
                    hits = int(np.sum((judged >= cut) == passes))
                    mean = getattr(share, when)[1]
                    weight = sum(of_prior) + (live if not passes else replay).size
                    low, high = betabinom.ppf((0.05, 0.95), values.size, mean * weight, (1 - mean) * weight)
                    rows.setdefault(f"{name} {when}", []).append((mean, hits / values.size, bool(low <= hits <= high)))
        report[str(takes)] = {
            "homes_not_calibrated": refused_homes,
            **{
                name: {
                    "expected": round(float(np.mean([row[0] for row in some])), 4),
                    "found": round(float(np.mean([row[1] for row in some])), 4),
                    "within_90_interval": round(float(np.mean([row[2] for row in some])), 3),
                }
                for name, some in rows.items()
            },
        }
    return report


def nonsense(homes: list[Home], prior: Any, cut: float, price: float) -> dict[str, Any]:
    """Feed what should not be fed: how often it is refused, and what the rest does to the household."""
    from edge.calibration_fit import check_takes, fit_line
    from edge.errors import DataError

    def half(values: Floats, n: int) -> tuple[Floats, Floats]:
        mixed = np.random.default_rng(n).permutation(values)
        return mixed[:n], mixed[n : 2 * n] if mixed.size >= 2 * n else mixed[n:]

    cases: dict[str, Callable[[int, Home, int], tuple[Floats, Floats]]] = {
        "as asked for": lambda i, home, n: drawn(home, n, 0),
        "replays as takes and as replays": lambda i, home, n: half(np.concatenate((home.phone, home.tv)), n),
        "takes as takes and as replays": lambda i, home, n: half(np.concatenate((home.takes, home.own_live)), n),
        "exchanged": lambda i, home, n: drawn(home, n, 0)[::-1],
        "the television as a person, the telephone as a loudspeaker": lambda i, home, n: (home.tv[:n], home.phone[:n]),
        "takes of somebody in another home": lambda i, home, n: (
            homes[(i + 1) % len(homes)].takes[:n], drawn(home, n, 0)[1]
        ),
    }  # fmt: skip
    report: dict[str, Any] = {}
    for name, case in cases.items():
        for takes in (5, 10):
            refused, changes = 0, []
            for i, home in enumerate(homes):
                live, replay = case(i, home, takes)
                try:
                    check_takes(live, replay, prior)
                except DataError:
                    refused += 1
                    continue
                line = fit_line(live, replay, prior)
                before, after = (
                    errors(home, "household", rule, CALIBRATING, cut).risk(price)
                    for rule in (lambda live, replay: (1.0, 0.0), lambda live, replay, line=line: tuple(line))
                )
                changes.append(after - before)
            report.setdefault(name, {})[str(takes)] = {
                "refused": refused,
                "of": len(homes),
                "risk_change_of_the_rest": round(float(np.mean(changes)), 4) if changes else None,
            }
    return report


def main() -> int:
    """Choose, measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rooms, scores [%(default)s]")
    parser.add_argument("--split", choices=("dev", "both"), default="both", help="dev: chooses only [%(default)s]")
    parser.add_argument("--ledger", type=Path, default=ROOT / "results" / "test_ledger.json", help="[%(default)s]")
    parser.add_argument("--homes", type=int, default=40, help="of dev [%(default)s]")
    parser.add_argument("--test-homes", type=int, default=30, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prior", type=Path, help="where the prior is written [beside the bundle that ships]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "calibration.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import json
    from contextlib import suppress
    from dataclasses import replace

    from calibration_homes import COUNTS, score_homes

    from edge.bundle import DEFAULT_BUNDLE, open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.calibration_prior import prior_beside, prior_text, read_prior
    from edge.errors import DataError
    from edge.sensitivity import log_odds
    from train.atomic_file import put_bytes
    from train.corpus import data_hash
    from train.results import open_test_split, write_result
    from train.simulator.recipe import shipped_recipe

    part = open_bundle().liveness
    cut = log_odds(part.accept_cutoff)
    price = float(np.exp(-cut))
    sha256 = bundle_hash(DEFAULT_BUNDLE)

    def homes(split: str, count: int) -> list[Home]:
        kept = args.cache / f"calibration-{sha256[:12]}-{split}-{count}-{args.seed}.npz"
        options = {"seed": args.seed, "data": args.data, "cache": args.cache, "kept": kept}
        return homes_of(score_homes(split, count, COUNTS, **options))

    dev = homes("dev", args.homes)
    choice, spreads, weights = chosen_on(dev, cut, price)
    print(json.dumps(choice, indent=1))
    source = (
        f"{len(dev)} simulated homes of dev, each a room, a microphone, two talkers and four loudspeakers of its own; "
        f"seed {args.seed}, recipe {shipped_recipe().hash[:12]}, data {data_hash(args.data)[:12]}; "
        "made by tests/bench/calibration.py"
    )
    prior = prior_of(dev, spreads, cut, source)
    path = args.prior or prior_beside(DEFAULT_BUNDLE)
    # What it says of words is made by another benchmark, and holds as long as the bundle does.
    with suppress(OSError, DataError):
        prior = replace(prior, words=read_prior(path, path.read_bytes(), bundle_sha256=sha256).words)
    put_bytes(path, prior_text(prior, sha256))
    print(prior)
    if args.split == "dev":
        print(json.dumps({"coverage": coverage(dev, prior, part.accept_cutoff, cut),
                          "wrong_input": nonsense(dev, prior, cut, price)}, indent=1))  # fmt: skip
        return 0
    open_test_split(
        args.ledger, purpose="python tests/bench/calibration.py", data_hash=data_hash(args.data), bundle=DEFAULT_BUNDLE
    )
    test = homes("test", args.test_homes)
    rules: dict[str, Rule] = {
        "shipped": lambda live, replay: (1.0, 0.0),
        "refit": map_rule(VAGUE, VAGUE),
        "quantile": quantile_rule(cut),
        "shift": shift_rule(dev, *weights),
        "map": map_rule(*spreads),
    }
    body: dict[str, Any] = {
        "made_by": "python tests/bench/calibration.py",
        "what": "simulated homes of test: rooms, loudspeakers and talkers that neither the network nor the prior saw; "
                "clips that calibration did not see; risk = (price * refused live + passed replays) / (1 + price)",
        "settings": {
            "recipe_sha256": shipped_recipe().hash, "clips_of_a_home": COUNTS, "takes": TAKES, "draws": DRAWS,
            "accept_cutoff": part.accept_cutoff, "price": round(price, 3),
        },
        "dev": choice,
        "test": measured(test, rules, cut, price, args.seed),
        "expectations": coverage(test, prior, part.accept_cutoff, cut),
        "wrong_input": nonsense(test, prior, cut, price),
    }  # fmt: skip
    write_result(args.out, body, data_hash=data_hash(args.data), seed=args.seed, bundle=DEFAULT_BUNDLE)
    print(json.dumps({key: body[key] for key in ("expectations", "wrong_input")}, indent=1))
    print(json.dumps(body["test"]["approaches"], indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
