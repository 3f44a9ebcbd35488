"""A KuaiRand-Pure of a few rows in the layout of the official files."""

import csv

LOG = "log_standard_4_22_to_5_08_pure.csv"
EARLIER_LOG = "log_standard_4_08_to_4_21_pure.csv"
USERS = "user_features_pure.csv"
VIDEOS = "video_features_basic_pure.csv"

LOG_HEADER = (
    *("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow"),
    *("is_comment", "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms"),
    *("profile_stay_time", "comment_stay_time", "is_profile_enter", "is_rand", "tab"),
)
USER_HEADER = (
    *("user_id", "user_active_degree", "is_lowactive_period", "is_live_streamer"),
    *("is_video_author", "follow_user_num", "follow_user_num_range", "fans_user_num"),
    *("fans_user_num_range", "friend_user_num", "friend_user_num_range", "register_days"),
    *("register_days_range", *(f"onehot_feat{i}" for i in range(18))),
)
VIDEO_HEADER = (
    *("video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status"),
    *("video_duration", "server_width", "server_height", "music_id", "music_type", "tag"),
)


def impression(user_id, video_id, date, is_click=0, **columns):
    """A row of a log; time_ms follows the day unless it is given."""
    row = dict.fromkeys(LOG_HEADER, 0)
    row |= {"user_id": user_id, "video_id": video_id, "date": date, "is_click": is_click}
    row |= {"time_ms": date * 1000, "duration_ms": 5000, "tab": 1}
    return row | columns


def user(user_id, **columns):
    row = dict.fromkeys(USER_HEADER, 0) | {"user_id": user_id, "user_active_degree": "full_active"}
    return row | {"follow_user_num_range": "(250,500]", "fans_user_num_range": "[10,100)"} | columns


def video(video_id, **columns):
    row = dict.fromkeys(VIDEO_HEADER, 0) | {"video_id": video_id, "author_id": 100 + video_id}
    return row | {"video_type": "NORMAL", "upload_dt": "2022-04-10", "tag": "39,68"} | columns


def write_csv(path, rows, header):
    with path.open("w", newline="") as file:
        # The official files, too, quote only where a comma asks for it.
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_files(folder, log, earlier=(), users=(), videos=()):
    """Write the four files that a user needs; users and videos default to those of the logs."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*log, *earlier]
    users = users or [user(key) for key in sorted({row["user_id"] for row in rows})]
    videos = videos or [video(key) for key in sorted({row["video_id"] for row in rows})]
    write_csv(folder / LOG, log, LOG_HEADER)
    write_csv(folder / EARLIER_LOG, earlier, LOG_HEADER)
    write_csv(folder / USERS, users, USER_HEADER)
    write_csv(folder / VIDEOS, videos, VIDEO_HEADER)
    return folder
