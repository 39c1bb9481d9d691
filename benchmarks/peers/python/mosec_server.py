"""mosec with msgspec, and a worker for each core: mosec_server.py --address 127.0.0.1 --port N"""

import os

import msgspec
import numpy as np
from mosec import Server, Worker


class Request(msgspec.Struct):
    instances: list[list[float]]


DECODER, ENCODER = msgspec.json.Decoder(Request), msgspec.json.Encoder()


class Model(Worker):
    def __init__(self):
        from model import load

        self.predict = load()

    def deserialize(self, data):
        return DECODER.decode(data)

    def serialize(self, data):
        return ENCODER.encode(data)

    def forward(self, requests):
        answers = self.predict(np.array([row for r in requests for row in r.instances], np.float32)).tolist()
        out, start = [], 0
        for r in requests:
            end = start + len(r.instances)
            out.append({"predictions": answers[start:end]})
            start = end
        return out


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, num=int(os.environ["WORKERS"]), max_batch_size=32, max_wait_time=5)
    server.run()
