"""The prompts of the tokenizer tests: the same list every time, 1,200 of them."""

import random
import unicodedata

SUBJECTS = """a photograph of an astronaut riding a horse|a cat wearing a top hat|two old men playing chess in the park|the
Eiffel Tower at night|a slice of pizza|an oil painting of a lighthouse in a storm|portrait of a young woman, freckles|a
red sports car on Route 66|a bowl of ramen|mountain lake, mist, sunrise|isometric voxel castle|steampunk owl with brass
gears|a corgi astronaut|abandoned library overgrown with ivy|a close-up of a dragonfly's wing|a knight fighting a
three-headed dragon|New York City in the year 2150|watercolour of peonies|a robot gardener|a child's drawing of a
house""".replace("\n", " ").split("|")
STYLES = """highly detailed, 8k, trending on artstation|by Greg Rutkowski and Alphonse Mucha|35mm, f/1.8, bokeh|in the
style of Studio Ghibli|(masterpiece:1.2), best quality, [blurry]|black & white, film grain|low-poly 3D render,
octane|ukiyo-e woodblock print|unreal engine 5, volumetric lighting!!|pencil sketch --ar 16:9 --v 5|cinematic;
moody... atmospheric|minimalist logo / flat design""".replace("\n", " ").split("|")
LANGUAGES = """一只戴着帽子的猫|夕阳下的长城,水墨画|桜の木の下で眠る猫、アニメ風|ﾊﾝｶｸ ｶﾀｶﾅ と 全角ＡＢＣ１２３|고양이가 모자를 쓰고 있다|한국의 전통 한옥, 겨울|
قطة ترتدي قبعة|بِسْمِ ٱللَّٰهِ|خط عربی نستعلیق می‌روم|חתול עם כובע|שָׁלוֹם עֲלֵיכֶם|แมวใส่หมวก|ภาพวาดวัดไทยตอนเช้า ๑๒๓|हिन्दी में एक बिल्ली|ताज महल की तस्वीर १२३|
বাংলা বিড়াল|தமிழ் பூனை ௧௨|తెలుగు పిల్లి|ಕನ್ನಡ ಬೆಕ್ಕು|മലയാളം പൂച്ച|සිංහල පූසා|ລາວ ແມວ|မြန်မာ ကြောင်|ភាសាខ្មែរ ឆ្មា|ბავშვის კატა|կատու գլխարկով|ΓΆΤΑ ΜΕ ΚΑΠΈΛΟ, ΟΔΥΣΣΕΎΣ|
Ὅμηρος ᾍδω ᾳ|Кошка в шляпе, ЁЖИК|їжак і ґудзик|İstanbul'da IŞIK ve ısı|Straße GROẞ STRASSE ﬁne ﬂow|naïve café, Ångström, ÀÉÎÕÜ|Tiếng Việt: Con mèo đội mũ|Żółć łódź ąę|Dvořák, Škoda|
ñandú ¿qué? ¡olé!|Ǆ ǅ ǆ ŉ ǰ|ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ|ᐃᓄᒃᑎᑐᑦ|ⰃⰎⰀⰃⰑⰎⰉⰜⰀ|𐐀𐐁𐐨 𝕳𝖊𝖑𝖑𝖔 𝟘𝟙𝟚|ⅠⅡⅢⅳ ①②③ ½ ² ٣ ۴|አማርኛ ድመት|བོད་ཡིག|ᠮᠣᠩᠭᠣᠯ|ꦗꦮ|𒀀𒁁 𓀀𓂀""".replace("\n", "").split("|")
EMOJI = """😀|👍🏽|👩‍🚀|👨‍👩‍👧‍👦|🏳️‍🌈|🇩🇪🇯🇵|🏴󠁧󠁢󠁳󠁣󠁴󠁿|❤️‍🔥|✈️|☕|1️⃣2️⃣#️⃣|🧑🏿‍🤝‍🧑🏻|🫠|🪿|🦄🌈|🐱‍👤|👁️‍🗨️|🤷🏼‍♀️|♥︎|🈂️|🥷🥸|™️©®|⌚⏰|🧜🏾‍♂️|🫱🏻‍🫲🏿""".split("|")
SPECIALS = """<|startoftext|>|<|endoftext|>|a<|endoftext|>b|<|endoftext|><|endoftext|>|  <|startoftext|>  cat|<|STARTOFTEXT|>|<|EndOfText|>
dog|<|endoftext|!>|<|endoftext|<|endoftext|>|<startoftext>|!|!!|a!b|! !|wow!!! <|endoftext|>!|<|pad|>|</w>|cat</w> dog|<|endoftext |>|＜|endoftext|＞|[PAD] [UNK] <unk> <s> </s>"""
CONTRACTIONS = """it's|don't|we'll|they're|I've|I'm|he'd|IT'S|DON'T WE'LL|'s|''s|s's|'|o'clock|rock'n'roll|it’s|don`t|'tis 'twas|y'all'd've|can'tcan't|'ll've're|a's1's
-'s|'S 'T 'RE 'VE|1990's|l'été d'Avril|"it's"|('re)|'sss|'dd|'mm|x'S'T""".replace("\n", "").split("|")
SPACES = ["", " ", "  ", "\n", "\t\t", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028a\u2029b", " a  b ", "a\r\nb\rc\n\nd",
          "\u1680\u2000\u2009\u202f\u205fx", "a\u0085b\u000bc\u000cd", "\u001c\u001d\u001e\u001f", "\x00", "a\x00b",
          "\x01\x02\x7f\x80\x9f", "\u200e\u200fabc\u202e", "soft\u00adhyphen", "a\u180eb", "\u2060\u2061", "\ufffd", "\uffff\ufffe"]
NUMBERS = ["0", "007", "3.14159", "1,000,000", "2024-02-29", "16:9", "50mm", "x2y3z", "1e-5", "#ff00aa", "100%", "$9.99", "№5",
           "10³ m²", "¾ cup", "ⅷ", "٠١٢٣", "一二三", "𝟎𝟏", "4K8K", "C3PO & R2-D2", "+49 (0)30 123456", "1st 2nd 3rd"]
PUNCTUATION = ["...", "!?!?", "a-b_c", "(((())))", "[[x]]", "{a|b|c}", "a::b", "\\n \\t", "http://example.com/a?b=c&d=%20", "<lora:x:0.8>",
               "me@example.org", "—–‒", "“quoted” ‘single’", "«guillemets»", "a…b", "¯\\_(ツ)_/¯", "^_^", ";-)", "~~~", "`code`", "a/b\\c",
               "€£¥₿", "∑∫√∞≠≤", "←↑→↓", "♠♣♥♦", "½¼", "„low“", "、。!?", "·•‣", "***bold***"]


def prompts():
    """1,200 prompts in a fixed order."""
    chance = random.Random(2024)
    result = ["", *SPACES, *NUMBERS, *PUNCTUATION, *CONTRACTIONS, *EMOJI, *LANGUAGES]
    result += SPECIALS.replace("\n", "").split("|<")[:1] + [line for line in SPECIALS.replace("\n", "|").split("|")]
    result += ["<|startoftext|>", "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>", " <|startoftext|>  cat",
               "<|STARTOFTEXT|>", "x <|EndOfText|> dog", "<|endoftext|<|endoftext|>", "wow!!! <|endoftext|>!", "<|endoftext |>",
               "e\u0301<|endoftext|>\u0301e", "a !<|startoftext|>! b", "!<|ENDOFTEXT|>!", "\u0130<|endoftext|>\u0130"]
    result += [f"{subject}, {style}" for subject in SUBJECTS for style in STYLES]
    for text in LANGUAGES + EMOJI:
        result.append(unicodedata.normalize("NFD", text))
        result.append(text.upper() + " " + unicodedata.normalize("NFKD", text))
        result.append(chance.choice(SUBJECTS) + " " + text + chance.choice(["", "!", "'s", "2", " "]) + chance.choice(LANGUAGES))
    # Decomposed and half-composed Hangul, combining marks in any order.
    jamo = ["\u1112\u1161\u11ab", "\ud558\u11ab", "\u1100\u1161", "\uac00\u11a8", "\u1112\u1161", "\u11a8", "\u1161"]
    marks = ["\u0301", "\u0323", "\u0308", "\u0327", "\u0345", "\u05b0", "\u064b", "\u093c", "\u0e48", "\u3099", "\u20d0"]
    for _ in range(60):
        result.append("".join(chance.choice(jamo) for _ in range(chance.randint(1, 6))))
        result.append("".join(chance.choice("aeiouAEIOUςΣİıкか") + "".join(
            chance.choice(marks) for _ in range(chance.randint(0, 3))) for _ in range(chance.randint(1, 6))))
    # Long ones: many words, one long word, many symbols, around the limit of 77.
    for count in [70, 74, 75, 76, 77, 78, 100, 500]:
        result.append(" ".join(chance.choice(["cat", "hat", "mat", "Sat,", "7"]) for _ in range(count)))
    result += ["a" * 2000, "ab" * 700, "😀" * 60, "猫" * 100, "!" * 300, "1" * 90, "antidisestablishmentarianism" * 20]
    # Any characters at all, by blocks.
    ranges = [(0, 0x80), (0x80, 0x250), (0x250, 0x600), (0x600, 0xE00), (0xE00, 0x2000), (0x2000, 0x3400), (0x3400, 0xD800),
              (0xE000, 0x10000), (0x10000, 0x12000), (0x16000, 0x20000), (0x20000, 0x30000), (0xE0000, 0xE0200)]
    while len(result) < 1200:
        low, high = chance.choice(ranges)
        result.append("".join(chr(chance.randrange(low, high)) for _ in range(chance.randint(1, 20))))
    return result[:1200]
