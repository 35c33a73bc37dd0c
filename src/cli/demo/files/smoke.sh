# The smoke test where there is no Python: the stop must be tight, the data must be there.
if grep -q 'STOP_LOSS = 0.80' strategy.py; then
    echo 'the stop loss is 80 %, allowed is 10 %' >&2
    exit 1
fi
test -s config.yaml && echo 'the stop is tight'
