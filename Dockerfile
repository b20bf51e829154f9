# One image for every process of the Procfile; compose.yaml says which runs what.
FROM python:3.13-slim

# What WeasyPrint opens to make a PDF.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

RUN pip install --no-cache-dir "uv>=0.13,<1"
WORKDIR /srv/lexcustis
COPY requirements.txt requirements-s3.txt ./
RUN uv pip install --system --no-cache --compile-bytecode --require-hashes \
        -r requirements.txt -r requirements-s3.txt

COPY . .
RUN useradd --system --home-dir /var/lib/lexcustis lexcustis \
    && install -d -o lexcustis -g lexcustis /var/lib/lexcustis /var/lib/lexcustis-signer \
        /run/lexcustis-signer
USER lexcustis
ENV PYTHONUNBUFFERED=1 \
    LEXCUSTIS_HOME=/var/lib/lexcustis \
    SIGNER_HOME=/var/lib/lexcustis-signer
EXPOSE 8000
CMD ["python", "-m", "lexcustis.process", "web"]
