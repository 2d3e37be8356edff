//! The table: each text in English and in Chinese.

/// Makes one field of [`Words`] of each line, so that a text cannot lack a language.
macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The texts of one language.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the table says them")]
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }

        /// English.
        pub(crate) static ENGLISH: Words = Words { $($name: $english,)* };
        /// Chinese, simplified.
        pub(crate) static CHINESE: Words = Words { $($name: $chinese,)* };

        #[cfg(test)]
        impl Words {
            /// Each text with its name.
            pub(crate) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

words! {
    // The frame
    language: "en", "zh";
    product: "Welcome", "Welcome";
    skip: "Skip to the content", "跳到正文";
    menu: "Menu", "菜单";
    overview: "Overview", "概览";
    offers: "Offers", "消息";
    networks: "Networks", "网络";
    routers: "Routers", "路由器";
    areas: "Areas", "区域";
    reports: "Reports", "报告";
    people: "People", "成员";
    tokens: "API tokens", "API 令牌";
    audit: "Audit log", "审计日志";
    settings: "Settings", "设置";
    server: "Server", "服务器";
    organisations: "Organisations", "组织";
    log_out: "Log out", "退出登录";
    cancel: "Cancel", "取消";
    save: "Save", "保存";
    saved: "Saved.", "已保存。";
    search: "Search", "搜索";
    find: "Find", "查找";
    clear: "Clear", "清除";
    show_all: "Show all", "显示全部";
    pages: "Pages", "分页";
    first_page: "First page", "首页";
    next_page: "Next page", "下一页";
    copy: "Copy", "复制";
    copied: "Copied", "已复制";
    name: "Name", "名称";
    state: "State", "状态";
    change: "Change", "更改";
    changed: "Changed", "更改时间";
    details: "Details", "详情";
    none: "none", "无";
    never: "never", "从未";
    nobody: "nobody", "无人";
    time: "Time", "时间";
    what: "What", "事件";
    by: "By", "操作者";
    look: "Look", "查看";
    any_state: "Any state", "所有状态";
    nothing_found: "Nothing matches", "没有匹配的结果";
    nothing_found_text: "Try other words, or leave a filter out.", "请换个关键词，或去掉某个筛选条件。";
    of_n: "of {n}", "/ {n}";
    n_of_n: "{n} of {all}", "{n} / {all}";
    look_at_fields: "Not saved yet: some fields need another look.", "尚未保存：请检查标出的字段。";

    // Times
    just_now: "just now", "刚刚";
    at_once: "in a moment", "马上";
    minutes_ago: "{n} min ago", "{n} 分钟前";
    hours_ago: "{n} h ago", "{n} 小时前";
    days_ago: "{n} days ago", "{n} 天前";
    in_minutes: "in {n} min", "{n} 分钟后";
    in_hours: "in {n} h", "{n} 小时后";
    in_days: "in {n} days", "{n} 天后";

    // What is wrong with a field
    is_required: "Please fill this in.", "请填写此项。";
    too_long: "At most {n} characters.", "最多 {n} 个字符。";
    one_line: "One line without control characters.", "只能是一行文字，不含控制字符。";
    from_to: "A number from {least} to {most}.", "请输入 {least} 到 {most} 之间的数字。";
    bad_link: "An address that begins with https:// or http://.", "请输入以 https:// 或 http:// 开头的网址。";
    bad_color: "A colour such as #0b5f6b.", "请输入颜色，例如 #0b5f6b。";
    bad_language: "A language such as en, zh or pt-BR.", "请输入语言代码，例如 en、zh 或 pt-BR。";
    bad_moment: "A date and a time.", "请输入日期和时间。";
    bad_hours: "Spans such as 08:00-12:00, at most eight of them, with commas between.", "请输入时间段，例如 08:00-12:00，最多八个，用逗号分隔。";
    bad_names: "Identifiers with commas or spaces between.", "请输入标识符，用逗号或空格分隔。";
    bad_picture: "A PNG, JPEG, WebP or GIF picture of at most 8 MB and 6000 pixels a side.", "请上传 PNG、JPEG、WebP 或 GIF 图片，不超过 8 MB，边长不超过 6000 像素。";
    language_twice: "This language is there already.", "此语言已存在。";
    until_later: "Later than the beginning.", "必须晚于开始时间。";
    choose_tags: "Choose at least one tag.", "请至少选择一个标签。";
    choose_scopes: "Choose at least one.", "请至少选择一项。";
    choose_one: "Choose one.", "请选择一项。";

    // The door
    set_up: "Set up your server", "设置服务器";
    set_up_lead: "Two minutes, once: your organisation, and how you log in. You become its owner, and look after the server.", "只需两分钟，仅此一次：填写组织信息和登录方式。您将成为所有者并管理服务器。";
    set_up_do: "Set up", "完成设置";
    organisation_name: "Name of the organisation", "组织名称";
    organisation_name_hint: "Your shop, club or company.", "您的商店、社团或公司。";
    your_name: "Your name", "您的姓名";
    login: "E-mail or log-in name", "电子邮件或登录名";
    login_hint: "What you type to log in. No mail is sent.", "用于登录。系统不会发送邮件。";
    password: "Password", "密码";
    password_hint: "At least 10 characters. A sentence is easier to keep in mind.", "至少 10 个字符。一句话更容易记住。";
    password_short: "At least 10 characters.", "至少 10 个字符。";
    password_known: "Too easy to guess: not your name, and not one letter over and over.", "太容易猜到：不要使用您的名字，也不要重复同一个字符。";
    passwords_differ: "Not the same as above.", "与上面的密码不一致。";
    password_wrong: "That is not your password.", "密码不正确。";
    old_password: "Present password", "当前密码";
    new_password: "New password", "新密码";
    password_again: "The same once more", "再次输入新密码";
    change_password: "Change password", "更改密码";
    change_password_hint: "All your other sessions end.", "您的其他登录会话都会结束。";
    password_changed: "Your password is changed.", "密码已更改。";
    login_taken: "Somebody logs in by that name already.", "该登录名已被使用。";
    bad_login: "1 to 120 characters without spaces.", "1 到 120 个字符，不含空格。";
    log_in: "Log in", "登录";
    log_in_title: "Log in", "登录";
    logged_in_as: "You log in as {login}.", "您的登录名是 {login}。";
    login_wrong: "The name or the password is wrong.", "登录名或密码错误。";
    login_wait: "Too many tries. Please wait {n} s and try again.", "尝试次数过多。请等待 {n} 秒后重试。";
    invitation: "You are invited", "您收到了邀请";
    invitation_lead: "{organisation} wants you to join. Your role: {role}.", "{organisation} 邀请您加入。您的角色：{role}。";
    invitation_accept: "Accept and log in", "接受并登录";
    invitation_join: "Join", "加入";
    link_used: "This link is used up", "此链接已失效";
    link_used_text: "It was used, or its time is over. Ask for another.", "它已被使用或已过期。请索取新的链接。";
    no_organisation: "You belong to no organisation", "您不属于任何组织";
    no_organisation_text: "Ask an owner for an invitation link.", "请向所有者索取邀请链接。";

    // Errors
    not_found: "Not found", "未找到";
    not_found_text: "There is nothing at this address, or it belongs to somebody else.", "此地址没有内容，或属于他人。";
    forbidden: "That is not allowed", "不允许此操作";
    forbidden_text: "Your role does not include it, or the page was too old: load it again, or ask an owner.", "您的角色无此权限，或页面已过期：请重新加载，或联系所有者。";
    broken: "That did not work", "操作失败";
    broken_text: "It is our fault and is written to the log. Nothing was changed halfway.", "这是我们的问题，已记录在日志中。没有留下未完成的更改。";
    busy: "Too much to do at the moment", "当前繁忙";
    busy_text: "Please try again in a moment.", "请稍后重试。";
    bad_request: "That could not be understood", "无法理解该请求";
    bad_request_text: "Go back and try it in another way.", "请返回并换一种方式重试。";
    too_large: "Too large or too slow", "内容过大或上传过慢";
    too_large_text: "A picture has at most 8 MB and must arrive within ten seconds.", "图片最大 8 MB，且须在十秒内上传完成。";
    back_home: "Back to the overview", "返回概览";

    // Overview
    arrived: "Arrived", "到访";
    greeted: "Greeted", "已问候";
    acknowledged: "Acknowledged", "已确认";
    arrived_today: "Arrived today", "今日到访";
    greeted_today: "Greeted today", "今日问候";
    acknowledged_today: "Acknowledged today", "今日确认";
    routers_online: "Routers online", "在线路由器";
    networks_verified: "Networks verified", "已验证网络";
    offers_published: "Offers published", "已发布消息";
    attention: "Wants your attention", "需要您处理";
    n_conflicts: "Networks that somebody else claims, too: {n}", "被他人同时声明的网络：{n}";
    n_unseen: "Routers that have not been heard of lately: {n}", "近期没有消息的路由器：{n}";
    n_unverified: "Networks that are not verified yet: {n}", "尚未验证的网络：{n}";
    n_expired: "Networks whose proof is too old: {n}", "验证已过期的网络：{n}";
    live: "Live", "实时";
    live_hint: "Who joins your networks, as it happens. Nobody is named: a router reports visits, not people.", "实时显示加入您网络的访客。不显示任何人的身份：路由器只报告访问，不报告个人。";
    did_arrive: "A guest arrived", "有访客到访";
    did_see: "A guest saw an offer", "访客看到了消息";
    did_acknowledge: "A guest pressed the button", "访客点击了按钮";
    did_leave: "A guest left", "访客离开";
    did_refuse: "An offer was refused: its signature is not yours", "消息被拒绝：签名不是您的";
    did_drop: "Reports were lost while the router was away", "路由器离线期间丢失了报告";
    nobody_yet: "Nobody yet", "还没有访客";
    nobody_yet_text: "The next guest who joins shows up here.", "下一位加入的访客会显示在这里。";
    visits: "Visits", "访问";
    per_hour: "Per hour, two days", "每小时（两天）";
    per_day: "Per day, thirty days", "每天（三十天）";
    no_visits: "No visits in this time.", "这段时间没有访问。";
    chart_summary: "Arrived: {arrived}, greeted: {greeted}, acknowledged: {acknowledged}", "到访 {arrived}，已问候 {greeted}，已确认 {acknowledged}";
    as_table: "As a table", "以表格显示";

    // Routers
    router: "Router", "路由器";
    add_router: "Add a router", "添加路由器";
    add_router_lead: "You get a token that one router can use once. Type it into the router, and it is yours.", "您将获得一个令牌，供一台路由器使用一次。在路由器中输入后，它就归您管理。";
    first_router: "Add your first router", "添加第一台路由器";
    first_router_text: "Make a token here and type it into the router. A minute later it shows up with its networks.", "在此生成令牌并输入到路由器中。一分钟后，它和它的网络就会显示在这里。";
    online: "online", "在线";
    offline: "offline", "离线";
    last_seen: "Last seen", "最近在线";
    version: "Version", "版本";
    enrolled: "Enrolled", "注册时间";
    identifier: "Identifier", "标识符";
    tag: "Tag", "标签";
    tags: "Tags", "标签";
    any_tag: "Any tag", "所有标签";
    tags_hint: "With commas between, e.g. ground floor, city. Offers can be for routers with a tag.", "用逗号分隔，例如：一楼, 市区。消息可以只发给带某个标签的路由器。";
    bad_tags: "At most 16 tags of at most 32 characters.", "最多 16 个标签，每个最多 32 个字符。";
    rename: "Name and tags", "名称与标签";
    router_name_hint: "As you call it among yourselves, e.g. Bar.", "你们内部的叫法，例如：吧台。";
    it_has_it: "has it", "已收到";
    on_its_way: "on its way", "发送中";
    no_offers_here: "No offer is for this router", "没有发给此路由器的消息";
    no_offers_here_text: "Publish one for all routers, for one of its tags, or for this router.", "可以发布给所有路由器、某个标签或这台路由器。";
    last_reports: "Last reports", "最近的报告";
    revoke: "Revoke", "撤销";
    revoke_router: "Revoke this router?", "撤销此路由器？";
    revoke_router_text: "{name} loses its key and all that it reported. It must enrol again with another token.", "{name} 将失去密钥及其全部报告，必须使用新令牌重新注册。";
    is_away: "This router is not connected at the moment. It goes on greeting guests with what it has.", "此路由器当前未连接。它会继续用已有的消息问候访客。";
    router_gone: "The router is revoked.", "路由器已撤销。";
    in_luci: "In the router’s web page", "在路由器网页中";
    in_luci_text: "Open LuCI, then Services → Welcome → Server. Type in both and press Save & Apply.", "打开 LuCI，进入“服务 → Welcome → 服务器”，填入以下两项并点击“保存并应用”。";
    in_shell: "Or in a shell on the router", "或在路由器的命令行中";
    in_shell_text: "Paste this as it is.", "原样粘贴即可。";
    uci: "UCI", "UCI";
    server_address: "Address of the server", "服务器地址";
    token: "Token", "令牌";
    token_until: "The token can be used once, until {time}.", "此令牌可使用一次，有效期至 {time}。";
    shown_once: "This is shown once and never again. Copy it now.", "此内容仅显示一次，请立即复制。";
    make_token: "Make a token", "生成令牌";
    good_for: "Good for", "有效期";
    an_hour: "an hour", "一小时";
    a_day: "a day", "一天";
    a_week: "a week", "一周";

    // Networks
    network: "Network", "网络";
    networks_lead: "What your routers share. A network is listed for others once somebody other than its router has heard it prove itself.", "您的路由器共享的网络。只有当路由器以外的见证者听到其证明后，网络才会被列出。";
    no_networks: "No networks yet", "还没有网络";
    no_networks_text: "A router tells of the Wi-Fi it shares as soon as it is enrolled.", "路由器注册后会立即告知它共享的 Wi-Fi。";
    state_announced: "announced", "已声明";
    state_challenged: "being verified", "验证中";
    state_verified: "verified", "已验证";
    state_conflict: "conflict", "冲突";
    state_expired: "expired", "已过期";
    state_left_out: "not listed", "不列出";
    left_out: "Left out at their own wish", "应其要求不列出";
    left_out_text: "A Wi-Fi whose name ends in _nomap or contains _optout asks to be in no directory. We keep to that, and of such a network no more than you see here. Give it another name to share it.", "名称以 _nomap 结尾或包含 _optout 的 Wi-Fi 表示不愿进入任何目录。我们遵守这一点，并且只保存此处显示的内容。如需共享，请更改其名称。";
    left_out_because: "Its name has {mark} in it.", "其名称含有 {mark}。";
    why: "Why", "原因";
    bssids: "BSSIDs", "BSSID";
    security: "Security", "加密方式";
    open_network: "open", "开放";
    area: "Area", "区域";
    key: "Key", "密钥";
    key_shared: "given to applications", "提供给应用";
    key_not_shared: "not given away", "不提供";
    proved: "Proved", "验证时间";
    good_until: "Good until", "有效期至";
    way_to_list: "The way into the directory", "进入目录的步骤";
    step_announced: "Announced", "已声明";
    step_announced_text: "The router says that it shares this network.", "路由器声明它共享此网络。";
    step_on_air: "Challenge on the air", "质询名称已广播";
    step_on_air_text: "For ten minutes at most the router also sends a name that only we know.", "路由器最多广播十分钟一个只有我们知道的名称。";
    step_witnessed: "Heard by a witness", "见证者已听到";
    step_witnessed_text: "Somebody else nearby hears that name and tells us: a laptop, or another verified router.", "附近的另一台设备听到该名称并告诉我们：笔记本电脑或另一台已验证的路由器。";
    step_listed: "Listed", "已列出";
    step_listed_text: "Others find this network in the directory.", "其他人可以在目录中找到此网络。";
    is_done: "done", "已完成";
    is_next: "next", "下一步";
    is_open: "later", "稍后";
    is_blocked: "blocked", "受阻";
    ask_an_editor: "Editors and owners can start the verification.", "编辑者和所有者可以开始验证。";
    start_verification: "Start the verification", "开始验证";
    prove_it: "Prove that it is yours", "证明它属于您";
    prove_it_text: "It takes two minutes, beside the router, with a laptop or a verified router within reach.", "需要两分钟，请在路由器旁进行，附近要有笔记本电脑或已验证的路由器。";
    prove_again: "Prove it again", "重新证明";
    prove_again_text: "The proof is older than a year, or the access points have changed.", "验证已超过一年，或接入点已更换。";
    now_listen: "Listen", "收听";
    now_listen_text: "Either of these is enough.", "以下任一方式即可。";
    challenge_sent: "The name {ssid} is on its way to the router.", "名称 {ssid} 正在发送给路由器。";
    challenge_on_air: "The router sends the name {ssid}.", "路由器正在广播名称 {ssid}。";
    challenge_by_hand: "Rename the network to {ssid} for some minutes: its router has no agent of ours.", "请将网络名称临时改为 {ssid} 几分钟：其路由器没有我们的代理。";
    code_was_shown: "The command for a laptop was shown when the verification began. Start again to get another.", "笔记本电脑的命令在验证开始时已显示。重新开始即可获取新的命令。";
    challenge_failed: "The last try came to nothing: {why}", "上次验证未成功：{why}";
    challenge_until: "Over {time}.", "{time}结束。";
    look_again: "Look again", "刷新";
    with_laptop: "On a laptop beside the router", "在路由器旁的笔记本电脑上";
    stop_verification: "Stop", "停止";
    verification_stopped: "The verification is stopped.", "验证已停止。";
    asked_nearby: "Verified routers nearby that listen, too: {n}", "附近同时收听的已验证路由器：{n}";
    nobody_nearby: "No verified router that could hear it is connected.", "没有可以收听且已连接的已验证路由器。";
    is_listed: "This network is verified and listed.", "此网络已验证并列入目录。";
    is_conflict: "Another organisation has proved the same access point. Neither is listed until somebody decides.", "另一个组织也证明了同一个接入点。在作出决定之前，双方都不列出。";
    conflict: "Conflict", "冲突";
    conflicts: "Conflicts", "冲突";
    conflict_admin: "You look after this server: decide it there.", "您是服务器管理员：请在那里处理。";

    // Areas
    areas_lead: "The networks of one place, heard together. A phone that hears enough of them knows where it is.", "同一地点的网络。手机听到其中足够多的网络时，就能确认所在地点。";
    add_area: "Add an area", "添加区域";
    no_areas: "No areas yet", "还没有区域";
    no_areas_text: "Every router has one of its own. Put the routers of one place together.", "每台路由器都有自己的区域。请把同一地点的路由器放在一起。";
    needed: "Needed", "所需数量";
    needed_hint: "How many of its access points a phone must hear at least.", "手机至少需要听到多少个接入点。";
    empty_area: "No routers here", "这里没有路由器";
    empty_area_text: "Move one here.", "请移入一台。";
    move_router: "Move a router here", "移入路由器";
    move_here: "Move here", "移入";

    // Offers
    offer: "Offer", "消息";
    offers_lead: "What guests see when they join.", "访客加入时看到的内容。";
    write_offer: "Write an offer", "撰写消息";
    edit_offer: "Edit the offer", "编辑消息";
    first_offer: "Write your first offer", "撰写第一条消息";
    first_offer_text: "A sentence is enough: what is on today, where to sit, who you are. Guests see it the moment they join.", "一句话就够了：今天有什么、坐在哪里、你们是谁。访客加入时立即看到。";
    draft: "draft", "草稿";
    published: "published", "已发布";
    published_older: "published, older version", "已发布旧版本";
    archived: "archived", "已归档";
    for_whom: "For whom", "对象";
    routers_have_it: "Routers that have it", "已收到的路由器";
    languages: "Languages", "语言";
    versions: "Versions", "版本历史";
    versions_hint: "Each is kept. Open one to see it, or to go back to it.", "每个版本都会保留。打开即可查看，或恢复到该版本。";
    version_n: "Version {n}", "版本 {n}";
    is_published_version: "Routers have this version.", "路由器上就是此版本。";
    publish_again: "Publish this version again", "再次发布此版本";
    publish_again_text: "What stood in it, and for whom it was, becomes the newest version. Routers get it within a second.", "其内容与对象将成为最新版本，路由器会在一秒内收到。";
    edit: "Edit", "编辑";
    publish: "Publish", "发布";
    publish_offer: "Publish this offer?", "发布此消息？";
    publish_offer_text: "Routers get it within a second: {target}.", "路由器会在一秒内收到：{target}。";
    archive: "Archive", "归档";
    archive_offer: "Archive this offer?", "归档此消息？";
    archive_offer_text: "Routers take it away at once. You can publish it again.", "路由器会立即撤下。您可以再次发布。";
    offer_published: "The offer is published.", "消息已发布。";
    offer_archived: "The offer is archived.", "消息已归档。";
    offer_too_many: "A router takes at most 64 offers and 60 KiB of them. Archive some first.", "每台路由器最多 64 条消息、共 60 KiB。请先归档一些。";
    offer_no_router: "One of the routers that it is for is not there. Edit for whom it is.", "其中一台目标路由器已不存在。请修改对象。";
    is_draft: "This is a draft: nobody sees it until you publish it.", "这是草稿：发布之前无人可见。";
    is_changed: "Routers have an older version. Publish again to send the changes.", "路由器上是旧版本。再次发布以发送更改。";
    shown: "Shown", "展示次数";
    preview: "As a phone shows it", "手机预览";
    preview_hint: "It follows while you write.", "预览会随输入更新。";
    show_preview: "Show preview", "显示预览";
    welcome_to: "Welcome to", "欢迎来到";
    your_network: "Your Wi-Fi", "您的 Wi-Fi";
    open: "Open", "打开";
    read_on: "Read on", "了解更多";
    title: "Title", "标题";
    text: "Text", "正文";
    link: "Link", "链接";
    link_hint: "Where to read on; begins with https://.", "了解更多的网址，以 https:// 开头。";
    language_field: "Language", "语言";
    first_language_hint: "Of the text above, e.g. en. Needed if there are translations.", "以上文字的语言，例如 en。有翻译时需要填写。";
    language_hint: "E.g. zh, de or pt-BR. Guests get the one their phone speaks.", "例如 zh、de 或 pt-BR。访客会看到手机语言对应的版本。";
    translation: "In another language", "其他语言";
    looks: "Picture and colour", "图片与颜色";
    picture: "Picture", "图片";
    picture_hint: "PNG, JPEG, WebP or GIF, up to 8 MB. It is made small enough for a router.", "PNG、JPEG、WebP 或 GIF，最大 8 MB。系统会自动压缩以适合路由器。";
    picture_alt: "What the picture shows", "图片说明";
    picture_alt_hint: "For those who cannot see it.", "供看不到图片的人使用。";
    no_picture: "Take the picture away", "移除图片";
    color: "Colour", "颜色";
    color_hint: "Of the heading and the button, e.g. #0b5f6b. It is made readable by day and by night.", "标题和按钮的颜色，例如 #0b5f6b。系统会保证日间和夜间都清晰可读。";
    when: "When", "时间";
    when_hint: "Without any of these: always.", "全部留空则始终显示。";
    always: "Always", "始终";
    from: "From", "开始";
    until: "Until", "结束";
    zone_hint: "Time zone: {zone}.", "时区：{zone}。";
    weekdays: "On these days", "星期";
    weekdays_hint: "None chosen: on all of them.", "不选则每天显示。";
    hours: "Hours", "时间段";
    hours_hint: "E.g. 08:00-12:00, 18:00-22:00, by the clock of the router.", "例如 08:00-12:00, 18:00-22:00，以路由器的时钟为准。";
    mon: "Mon", "周一";
    tue: "Tue", "周二";
    wed: "Wed", "周三";
    thu: "Thu", "周四";
    fri: "Fri", "周五";
    sat: "Sat", "周六";
    sun: "Sun", "周日";
    audience: "Guests", "访客";
    audience_group: "Guests, and how often", "访客与次数";
    everybody: "Everybody", "所有人";
    first_visit: "Who is here for the first time", "首次到访者";
    returning: "Who was here before", "再次到访者";
    all_routers: "All routers", "所有路由器";
    routers_with_tags: "Routers with these tags", "带有这些标签的路由器";
    these_routers: "These routers", "指定的路由器";
    these_routers_hint: "Their identifiers, with spaces or commas between.", "路由器标识符，用空格或逗号分隔。";
    these_networks_hint: "Only on networks of these names in the routers’ configuration; empty: on all of them.", "仅限路由器配置中这些名称的网络；留空则全部。";
    n_routers: "Routers: {n}", "路由器：{n}";
    cap_per_visit: "Times per visit", "每次访问展示次数";
    cap_per_visit_hint: "How often one visit may see it.", "一次访问中最多展示几次。";
    cap_per_day: "Times per day", "每天展示次数";
    cap_per_day_hint: "How often one phone may see it in a day; empty: no limit.", "同一部手机每天最多看到几次；留空则不限。";
    priority: "Priority", "优先级";
    priority_hint: "0 to 100; the higher comes first.", "0 到 100，数值越大越靠前。";
    save_draft: "Save", "保存";
    no_routers_have_it: "Not on any router", "尚未发送到任何路由器";
    and_more: "And {n} more, which have it or wait for it.", "以及另外 {n} 台已收到或等待接收的路由器。";
    no_routers_have_it_text: "Once it is published, each router that has it is listed here.", "发布后，已收到的路由器会列在这里。";
    say_now: "Say now", "即时广播";
    say_lead: "Whoever is on this network at this moment sees it at once, for five minutes. It is not kept.", "此刻在该网络上的人会立即看到，持续五分钟。内容不会保存。";
    say_do: "Say it", "发送";
    said_to: "Said. Streams that received it: {n}", "已发送。收到的连接数：{n}";
    said_to_nobody: "The router is not connected: nobody heard it.", "路由器未连接：没有人收到。";

    // People
    people_lead: "Who may do what in this organisation.", "谁可以在此组织中做什么。";
    you: "you", "您";
    role: "Role", "角色";
    viewer: "Viewer", "查看者";
    editor: "Editor", "编辑者";
    owner: "Owner", "所有者";
    viewer_hint: "Sees everything but secrets.", "可以查看除机密以外的所有内容。";
    editor_hint: "Adds routers, verifies networks, writes and publishes offers.", "添加路由器、验证网络、撰写并发布消息。";
    owner_hint: "Invites people, makes tokens, changes the organisation.", "邀请成员、生成令牌、更改组织设置。";
    invite: "Invite somebody", "邀请成员";
    invite_text: "You get a link to send as you like. It is good for one person and for a week.", "您将获得一个链接，可以任意方式发送。仅限一人使用，有效期一周。";
    make_link: "Make a link", "生成链接";
    link_once: "This link is shown once. Whoever opens it first joins.", "此链接仅显示一次。第一个打开的人即可加入。";
    invitation_link: "Invitation link", "邀请链接";
    remove_person: "Remove from the organisation", "移出组织";
    remove_person_text: "They lose access at once. What they did stays in the audit log.", "该成员会立即失去访问权限，其操作仍保留在审计日志中。";
    person_removed: "Removed.", "已移除。";
    last_owner: "An organisation needs an owner.", "组织必须至少有一位所有者。";

    // Tokens
    tokens_lead: "For programs: applications that look networks up, and your own automation.", "供程序使用：查询网络的应用，以及您自己的自动化工具。";
    no_tokens: "No tokens", "没有令牌";
    no_tokens_text: "Make one for a program that asks the API.", "为调用 API 的程序生成一个。";
    scopes: "Scopes", "权限范围";
    scope_read_areas: "Look up verified networks.", "查询已验证的网络。";
    scope_read_keys: "Get the keys that sharers give to applications.", "获取共享者提供给应用的密钥。";
    scope_read_fleet: "See routers, networks, offers and reports.", "查看路由器、网络、消息和报告。";
    scope_write_routers: "Add, change and revoke routers; verify networks.", "添加、更改和撤销路由器；验证网络。";
    scope_write_offers: "Write and publish offers.", "撰写并发布消息。";
    scope_share: "Offer and verify networks by hand and write their messages, as welcome share does.", "像 welcome share 那样手动提供并验证网络，并撰写其消息。";
    made: "Made", "创建时间";
    last_used: "Last used", "最近使用";
    for_good: "for good", "长期有效";
    good_for_days: "Good for, in days", "有效天数";
    good_for_days_hint: "Empty: for good.", "留空则长期有效。";
    token_name_hint: "Which program it is for.", "供哪个程序使用。";
    token_revoked: "The token is revoked.", "令牌已撤销。";
    revoke_token: "Revoke this token?", "撤销此令牌？";
    revoke_token_text: "Whoever uses it is refused at once.", "使用它的程序会立即被拒绝。";

    // Audit and settings
    audit_lead: "Every change, by whom and when.", "每一次更改，由谁、在何时。";
    no_audit: "Nothing was changed yet", "还没有任何更改";
    no_audit_text: "Every change that somebody makes is written down here.", "每个人的每次更改都会记录在这里。";
    subject: "Subject", "对象";
    keys_to_all: "Applications of the whole server may have our networks’ keys", "全服务器的应用可以获得我们网络的密钥";
    keys_to_all_hint: "Only the keys that a router offers with share_key. Without this, only applications with a token of yours.", "仅限路由器以 share_key 提供的密钥。不勾选时，只有持有您令牌的应用可以获得。";
    signing_key: "Signing key", "签名密钥";
    signing_key_text: "Your routers pin this key when they enrol and show nothing that it did not sign.", "您的路由器在注册时固定此密钥，不会显示未经其签名的内容。";
    public_key: "Public key (Ed25519)", "公钥（Ed25519）";

    // The server
    server_lead: "All organisations of this server.", "此服务器上的所有组织。";
    add_organisation: "Add an organisation", "添加组织";
    organisation_added: "The organisation is there. You are looking at it.", "组织已创建，您正在查看它。";
    no_conflicts: "No conflicts", "没有冲突";
    no_conflicts_text: "No access point is claimed by two organisations.", "没有被两个组织同时声明的接入点。";
    conflicts_text: "Two organisations proved the same access point. Ask both, then decide whose it is.", "两个组织证明了同一个接入点。请询问双方后决定归属。";
    belongs_to: "It belongs to", "归属于";
    proved_at: "proved {time}", "验证于 {time}";
    decide: "Decide", "决定";
    decided: "Decided.", "已决定。";

    // Reports
    reports_lead: "What happened on your networks in the last thirty days. A guest is a visit, never a name.", "最近三十天您网络上的情况。访客只计为访问次数，从不记名。";
    nothing_shown: "Nothing was shown", "没有展示记录";
    nothing_shown_text: "Publish an offer, and see here how often guests saw it.", "发布消息后，可在此查看访客看到的次数。";
    csv: "CSV", "CSV";
    json: "JSON", "JSON";
}
