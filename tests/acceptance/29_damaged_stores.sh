#!/usr/bin/env bash
# What each damage of a store at rest comes to: exit code and sentence, as a table.
set -Eeuo pipefail

pytest -q -n 4 --dist loadfile --damage-table -k "damage_is or without_a_whole_database" \
    tests/stores/test_graph_reading.py tests/stores/test_docker_root_reading.py \
    tests/stores/test_containerd_damage.py tests/unit/test_containers_storage_store.py \
    tests/unit/test_registry_root_store.py
