import { useEffect } from "preact/hooks";
import { fullTime } from "../format";
import { notices, unread } from "../notify";
import { overlay } from "../panel";
import { IconButton } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Text } from "../ui/text";

export function NoticeList() {
    useEffect(() => {
        unread.value = 0;
    }, [notices.value]);
    const close = () => (overlay.value = "none");
    return (
        <Dialog label="Notifications" class="notices" onClose={close}>
            <div class="dialog-head">
                <h2>Notifications</h2>
                <IconButton icon="close" label="Close" onClick={close} />
            </div>
            {notices.value.length === 0 && <p class="muted">Nothing yet. Results of your actions are kept here.</p>}
            <ul>
                {notices.value.map((notice) => (
                    <li key={notice.id} class={`notice notice-${notice.kind}`}>
                        <Icon name={notice.kind === "error" ? "warn" : notice.kind === "ok" ? "check" : "clock"} />
                        <div>
                            <strong><Text>{notice.title}</Text></strong>
                            {notice.detail && <p><Text>{notice.detail}</Text></p>}
                            <time dateTime={notice.time}>{fullTime(notice.time)}</time>
                        </div>
                    </li>
                ))}
            </ul>
        </Dialog>
    );
}
