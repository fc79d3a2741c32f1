//! Keyed: limits that each name what they are for: a page size, a link, an RDMA device, a file of version 2.
//!
//! ```text
//!   hugepageLimits       hugetlb.2MB.limit_in_bytes, .rsvd    hugetlb.2MB.max, .rsvd.max
//!   network              net_cls.classid, net_prio.ifpriomap  none: filter by cgroup, in nftables or BPF
//!   rdma                 rdma.max: "mlx5_0 hca_handle=3"      the same
//!   unified              none                                 what the keys say
//! ```
//!
//! See the kernel's cgroup-v1/hugetlb.rst, net_cls.rst, net_prio.rst, rdma.rst, and cgroup-v2.rst.

use super::resources::{HugepageLimit, Network, Rdma, Resources};
use super::setting::{Setting, only, refuse};
use super::{CgroupError, Controller};
use crate::kernel::Errno;

const HUGE: &str = "linux.resources.hugepageLimits";
const RDMA: &str = "linux.resources.rdma";
const CLASS: &str = "linux.resources.network.classID";
const PRIORITIES: &str = "linux.resources.network.priorities";
const UNIFIED: &str = "linux.resources.unified";

/// What is used, and what is kept ready: programs die by SIGBUS where only the former is limited.
pub(super) fn huge_pages(limits: &[HugepageLimit], v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    for HugepageLimit { page_size, limit } in limits {
        let digits = page_size.trim_end_matches(|c: char| c.is_ascii_uppercase());
        let known = matches!(&page_size[digits.len()..], "KB" | "MB" | "GB");
        if !known || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse(HUGE, page_size, "pageSize is a number and KB, MB or GB, as 2MB");
        }
        let end = if v1 { "limit_in_bytes" } else { "max" };
        let why = "pages of this size are few, and set aside for those who ask first";
        let set = |name, kind| {
            let file = format!("hugetlb.{page_size}.{kind}{end}");
            Setting::new((Controller::Hugetlb, HUGE), (name, why), (file, limit))
        };
        found.push(set("limit huge pages", ""));
        // kernels before 5.7 have no such file
        found.push(set("limit huge pages kept ready", "rsvd.").or_else(Errno::NOENT));
    }
    Ok(found)
}

pub(super) fn network(network: &Network, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    if let Some(class) = network.class_id.filter(|class| *class != 0) {
        let why = "the host's packet filter and traffic control can tell its packets by this";
        let member = (Controller::NetClass, CLASS);
        found.push(Setting::new(member, ("mark its packets", why), ("net_cls.classid", class)));
    }
    for priority in &network.priorities {
        if priority.name.is_empty() || priority.name.contains(char::is_whitespace) {
            return refuse(PRIORITIES, &priority.name, "that is no link's name");
        }
        let why = "of packets that wait to leave by one link, these go by their priority";
        let line = ("net_prio.ifpriomap", format!("{} {}", priority.name, priority.priority));
        found.push(Setting::new((Controller::NetPriority, PRIORITIES), ("rank its packets", why), line));
    }
    match found.first() {
        Some(setting) if !v1 => {
            only(1, setting.member, &setting.value, "leave it out, and match the cgroup in nftables")
        }
        _ => Ok(found),
    }
}

pub(super) fn rdma<'r>(
    devices: impl IntoIterator<Item = (&'r String, &'r Rdma)>,
) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    for (device, limit) in devices {
        if device.is_empty() || device.contains(char::is_whitespace) {
            return refuse(RDMA, device, "that is no device's name");
        }
        let handles = limit.hca_handles.map(|most| format!(" hca_handle={most}")).unwrap_or_default();
        let objects = limit.hca_objects.map(|most| format!(" hca_object={most}")).unwrap_or_default();
        if handles.is_empty() && objects.is_empty() {
            return refuse(RDMA, device, "say hcaHandles, hcaObjects, or both");
        }
        let why = "an adapter has only so many handles, and whoever takes them keeps others out";
        let line = ("rdma.max", format!("{device}{handles}{objects}"));
        found.push(Setting::new((Controller::Rdma, RDMA), ("limit an RDMA device", why), line));
    }
    Ok(found)
}

/// One write for each line: such files take one key at a time.
pub(super) fn unified(resources: &Resources, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    for (file, value) in &resources.unified {
        if v1 {
            return only(2, UNIFIED, file, "say it by the other members of linux.resources");
        }
        if file.contains('/') {
            return refuse(UNIFIED, file, "must be a file name (no slashes)");
        }
        let Some((controller, _)) =
            file.split_once('.').filter(|(name, rest)| !name.is_empty() && !rest.is_empty())
        else {
            return refuse(UNIFIED, file, "must be in the form CONTROLLER.PARAMETER");
        };
        let controller = match controller {
            // these files every cgroup has
            "cgroup" => Controller::Freezer,
            name => match Controller::EVERY.into_iter().find(|known| known.unified_name() == name) {
                Some(controller) => controller,
                None => return refuse(UNIFIED, file, &format!("controller {name:?} not available")),
            },
        };
        let why = "config.json names the file itself";
        let set = |line| Setting::new((controller, UNIFIED), ("set what is asked for", why), (file, line));
        found.extend(value.lines().map(set));
    }
    Ok(found)
}
