"""What Docker itself says of the golden image; see tests/golden/README.md."""

from __future__ import annotations

IMAGE_ID = "sha256:5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"
DRIVERS = ("aufs", "overlay", "vfs")
IDS = (
    "39945792faa7c1ee84c5390f4047438e387d56246bf6683ad2a393ebc93c965e",
    "1c1fb1be1ebe60db8292aa00e2686025e0ea91f44e293a0d3cb42bd4ae524cb1",
    "5429173b4b95895e46f0268d323dd64b6bddab91759393f52d699ba921ccd59d",
    "06c717609ee5b7d5e606298e989b25c8fbc964b07693ff1e5a5e7714210f23e9",
)
DIFF_IDS = (
    "f888a183f32383130dd9f9cafc9b2e17c5395c95109c9395009901c8dec62d66",
    "4fdd549f81ef8f7137770b9c538c4c60b6f531a8c24b60c1999302397b33ae81",
    "8ab6d6461427d4f43207a83b1c579475a1c983fa0ec81c68b9633e04124dc124",
    "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
)
LAYERSIZES = {"aufs": ("2303448", "1001115", "1655", "0")} | dict.fromkeys(
    ("overlay", "vfs"), ("2303402", "1001101", "1650", "0")
)
RULES = {"aufs": "S3", "overlay": "S5", "vfs": "S5"}
