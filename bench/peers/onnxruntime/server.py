"""ONNX Runtime as the bench's peer: the requests and answers of ../README.md, a line of JSON each."""
import base64
import json
import sys
import time

import numpy
import onnxruntime


class Server:
    def __init__(self):
        self.session = None
        self.types = {}
        self.batches = []

    def load(self, request):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.intra_op_num_threads = request["threads"]
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        start = time.perf_counter()
        self.session = onnxruntime.InferenceSession(request["load"], options, providers=["CPUExecutionProvider"])
        load_ms = (time.perf_counter() - start) * 1000
        self.types = {each.name: each.type for each in self.session.get_inputs()}
        return {"engine": "onnxruntime", "version": onnxruntime.__version__, "isa": "", "load_ms": load_ms,
                "outputs": [each.name for each in self.session.get_outputs()]}

    def prepare(self, request):
        self.batches = []
        for each in request["batches"]:
            shape = (each["batch"], each["length"])
            self.batches.append({
                name: numpy.array(values, "int32" if self.types[name] == "tensor(int32)" else "int64").reshape(shape)
                for name, values in each["feeds"].items() if name in self.types})
        return {}

    def run(self, i):
        return self.session.run(None, self.batches[i % len(self.batches)])

    def time(self, turn):
        ms = []
        spent = 0
        while not ms or (spent < turn["seconds"] * 1000 if turn["seconds"] > 0 else len(ms) < turn["runs"]):
            start = time.perf_counter()
            self.run(turn["first"] + len(ms))
            ms.append((time.perf_counter() - start) * 1000)
            spent += ms[-1]
        return {"ms": ms}

    def serve(self, arrivals):
        ms = []
        start = time.perf_counter()
        for i, arrival in enumerate(arrivals):
            at = start + arrival / 1000
            # A sleep may end late, so the last of the waiting is done awake.
            early = at - time.perf_counter()
            if early > 0.003:
                time.sleep(early - 0.003)
            while time.perf_counter() < at:
                pass
            self.run(i)
            ms.append((time.perf_counter() - at) * 1000)
        return {"ms": ms}

    def answer(self, request):
        outputs = []
        for output, values in zip(self.session.get_outputs(), self.run(request["answer"])):
            if values.dtype != numpy.float32:
                continue
            some = numpy.ascontiguousarray(values).reshape(-1)[:request["most"]]
            outputs.append({"name": output.name, "dims": list(values.shape),
                            "data": base64.b64encode(some.tobytes()).decode()})
        return {"outputs": outputs}

    def respond(self, request):
        if "load" in request:
            return self.load(request)
        if "batches" in request:
            return self.prepare(request)
        if "time" in request:
            return self.time(request["time"])
        if "serve" in request:
            return self.serve(request["serve"])
        return self.answer(request)


def main():
    server = Server()
    for line in sys.stdin:
        try:
            response = server.respond(json.loads(line))
        except Exception as error:  # whatever it is, the bench is told
            response = {"error": str(error)}
        print(json.dumps(response), flush=True)


main()
