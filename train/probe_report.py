"""What shortcut probes find in rendered clips, as plain data, and whether that is as it must be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from train.leaks import LEAKS, leaked
from train.liveness_report import clusters_of, counted
from train.metrics import cluster_interval, equal_error_rate
from train.probes import COMPARED, CREST, PROBES, Probe, chance_band, distances, fit_probe, measure_all, whole_clips

__all__ = ["probe_faults", "probe_report"]

_MOST_OFF_CHANCE = 0.05
_MOST_ON_LEAK = 0.10
_MOST_DISTANCE = 0.05

Clips = dict[str, np.ndarray]


def probe_report(
    fitted: Clips, measured: Clips, *, seed: int, rounds: int = 1000, probes: Sequence[Probe] = PROBES
) -> dict[str, Any]:
    """Fit every probe, measure it, and show it its leaks.

    Parameters
    ----------
    fitted, measured : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them with ``keep="whole"``.
    seed : int
    rounds : int
        Resamples of talkers and loudspeakers (of live clips: rooms) for each interval.

    probes : sequence of Probe
        Which to judge.

    Returns
    -------
    dict
        ``clips``, counted; ``chance_95``, within which a probe that knows nothing lies if clips were independent;
        ``judged``: for each probe ``eer`` with its interval, its ``measures``, its ``leaks`` with the error on each,
        ``at_chance`` (45 to 55 %) and ``sees`` (at most 10 % on every leak); ``not_judged``: the crest factor;
        ``distances`` of Kolmogorov-Smirnov between both classes, and whether all are ``alike`` (at most 0.05).

    Raises
    ------
    DataError
        If a class is empty.
    """
    sets = [(whole_clips(of), of["live"].astype(bool)) for of in (fitted, measured)]
    live = sets[1][1]
    ways = clusters_of(measured)

    def scores(features: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        return fit_probe(features[0], sets[0][1], seed=seed)(features[1])

    def error(of: npt.NDArray[np.float64], mouths: npt.NDArray[np.bool_]) -> float:
        return equal_error_rate(of[mouths], of[~mouths]) if mouths.any() and not mouths.all() else float("nan")

    def entry(probe: Probe) -> tuple[dict[str, Any], dict[str, float]]:
        features = [measure_all(probe, clips) for clips, _ in sets]
        found = scores(features)
        interval = cluster_interval(lambda index: error(found[index], live[index]), ways, rounds=rounds)
        leaks = []
        for leak in (leak for leak in LEAKS if leak.probe == probe.name):
            copies = [measure_all(probe, leaked(leak, clips, one)) for clips, one in sets]
            leaks.append({"what": leak.what, "label": leak.label, "eer": error(scores(copies), live)})
        return {
            "eer": error(found, live), "eer_interval_95": list(interval), "measures": list(probe.measures),
            "leaks": leaks,
        }, distances(probe, features[1], live)  # fmt: skip

    judged: dict[str, Any] = {}
    apart: dict[str, dict[str, float]] = {}
    for probe in tqdm(probes, desc="probes", unit="probe"):
        one, far = entry(probe)
        one["at_chance"] = abs(one["eer"] - 0.5) <= _MOST_OFF_CHANCE
        one["sees"] = all(leak["eer"] <= _MOST_ON_LEAK for leak in one["leaks"])
        judged[probe.name] = one
        if probe.name in COMPARED:
            apart[probe.name] = {name: far[name] for name in COMPARED[probe.name]}
        seen = ", ".join(f"{100 * leak['eer']:.1f} %" for leak in one["leaks"])
        tqdm.write(f"probe {probe.name}: EER {100 * one['eer']:.1f} %; on copies with leaks {seen}")
    crest, _ = entry(CREST)
    return {
        "clips": counted(measured),
        "chance_95": list(chance_band(int(live.sum()), int((~live).sum()))),
        "judged": judged,
        "not_judged": {
            CREST.name: {
                "what": "level and peak together: what a loudspeaker does to the crest factor",
                **{key: value for key, value in crest.items() if key != "leaks"},
            }
        },
        "distances": apart,
        "alike": max((value for far in apart.values() for value in far.values()), default=0.0) <= _MOST_DISTANCE,
    }


def probe_faults(report: dict[str, Any]) -> list[str]:
    """Return what is wrong with the figures of :func:`probe_report`, as parts of a line."""
    faults = []
    for name, entry in report["judged"].items():
        if not entry["at_chance"]:
            eer = 100 * entry["eer"]
            faults.append(f"the probe {name!r} tells live from replayed (EER {eer:.1f} %, expected 45 to 55)")
        if not entry["sees"]:
            worst = max(entry["leaks"], key=lambda leak: float(leak["eer"]))
            eer = 100 * worst["eer"]
            faults.append(f"the probe {name!r} misses a leak ({worst['what']}: EER {eer:.1f} %, expected at most 10)")
    return faults
