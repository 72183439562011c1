# CPU: docker build -t wgan .
# GPU: docker build -t wgan-gpu --build-arg "EXTRA=[and-cuda]" .
# BUILD.md says how to run either. TensorFlow 2.21 runs on Python 3.10 to 3.13.
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /wgan

# What only `make test` and `make lint` need is left out. The pin in requirements.txt holds for the extra too.
ARG EXTRA=""
COPY requirements.txt ./
RUN sed '/^# For make test/,$d' requirements.txt > /tmp/run.txt \
 && pip install --no-cache-dir -r /tmp/run.txt "tensorflow${EXTRA}" \
 && rm /tmp/run.txt

COPY train.py sample.py evaluate.py ./
COPY wgan_tf1 wgan_tf1

RUN useradd --create-home --uid 1000 wgan \
 && mkdir runs data classifiers \
 && chown wgan:wgan . runs data classifiers
USER wgan
VOLUME ["/wgan/runs", "/wgan/data"]

CMD ["python", "train.py"]
