"""Where the cases are collected and written: a folder of files and a manifest."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

REFUSE, ACCEPT, EITHER = "refuse", "accept", "either"


@dataclass
class Entry:
    """`file` is relative to the corpus; `arguments` are swage's, with the corpus' folder as {dir} and a scratch folder
    as {out}."""

    file: str
    kind: str
    command: str
    expect: str
    arguments: list[str]


@dataclass
class Corpus:
    folder: Path
    entries: list[Entry] = field(default_factory=list)

    def write(self, file: str, content: bytes) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def add(self, file: str, content: bytes, kind: str, command: str, expect: str, arguments: list[str]) -> None:
        if any(entry.file == file and entry.arguments == arguments for entry in self.entries):
            raise ValueError(f"two cases are named {file}")
        self.write(file, content)
        self.entries.append(Entry(file, kind, command, expect, arguments))

    def onnx(self, name: str, content: bytes, expect: str = REFUSE) -> None:
        file = f"onnx/{name}.onnx"
        arguments = ["compile", "{dir}/" + file, "-o", "{out}/out.plan"]
        self.add(file, content, name, "compile", expect, arguments)

    def safetensors(self, name: str, content: bytes, expect: str = REFUSE, suffix: str = "safetensors") -> None:
        file = f"safetensors/{name}.{suffix}"
        arguments = ["compile", "{dir}/safetensors/graph.onnx", "--weights", "{dir}/" + file, "-o", "{out}/out.plan"]
        self.add(file, content, name, "compile-weights", expect, arguments)

    def plan(self, name: str, content: bytes, command: str = "run", expect: str = REFUSE) -> None:
        file = f"plan/{name}.plan"
        arguments = [command, "{dir}/" + file]
        if command == "run":
            arguments += ["--random-inputs", "1", "--output", "{out}/results"]
        self.add(file, content, name, command, expect, arguments)

    def tensor(self, name: str, content: bytes, expect: str = REFUSE, port: str = "image") -> None:
        """An input for the valid plan."""
        file = f"npy/{name}.npy"
        arguments = [
            "run",
            "{dir}/plan/control-plan.plan",
            "--input",
            f"{port}={{dir}}/{file}",
            "--output",
            "{out}/results",
        ]
        self.add(file, content, name, "run", expect, arguments)

    # Files that ONNX models refer to, beside them.

    def companion(self, name: str, content: bytes) -> None:
        self.write(f"onnx/{name}", content)

    def companion_link(self, name: str, target: str) -> None:
        path = self.folder / "onnx" / name
        path.unlink(missing_ok=True)
        os.symlink(target, path)

    def companion_hardlink(self, name: str, target: str) -> None:
        path = self.folder / "onnx" / name
        path.unlink(missing_ok=True)
        os.link(self.folder / "onnx" / target, path)

    def companion_fifo(self, name: str) -> None:
        path = self.folder / "onnx" / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def finish(self) -> None:
        manifest = [
            {"file": e.file, "class": e.kind, "command": e.command, "expect": e.expect, "arguments": e.arguments}
            for e in self.entries
        ]
        (self.folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
