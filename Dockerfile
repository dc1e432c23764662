# The app for a public host: CPU only, not root, no capabilities, read-only. docs/hosting.md explains the line.
#   docker build -t unroll .
#   docker run --rm -p 8501:8501 --read-only --tmpfs /tmp:size=512m --cap-drop ALL \
#     --security-opt no-new-privileges --memory 2g --pids-limit 256 unroll
# torch's default build for Linux brings gigabytes of CUDA along; point pip at torch's CPU builds to leave them out:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=<the index of torch's CPU builds> -t unroll .
FROM python:3.11.14-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1

RUN useradd --create-home --uid 1000 unroll
WORKDIR /home/unroll/app
COPY requirements.txt .
RUN pip install --disable-pip-version-check -r requirements.txt
COPY --chown=unroll .streamlit .streamlit
COPY --chown=unroll pipeline pipeline
COPY --chown=unroll views views
COPY --chown=unroll weights weights
COPY --chown=unroll app.py LICENSE NOTICE ./

USER unroll
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
