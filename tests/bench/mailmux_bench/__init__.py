"""What tests/bench/run, growth and guard share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build/release"
HERE = ROOT / "build/bench"
