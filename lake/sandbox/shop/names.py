# ruff: noqa: SIM905
"""Words that the shop is made of. Accents are there on purpose: they must come through every layer."""

FIRST = """
Anna Léa Zoë Emma Olivia Sofia Camille Chloé Ingrid Freya Katarzyna Agnieszka Lucía Carmen Giulia Chiara Hannah Marie
Amélie Nora Grace Maya Aisha Priya Mei Yuki Fatima Elif João Miguel José Andrés Luca Matteo Liam Noah Oscar Hugo Louis
Jules Björn Søren Łukasz Paweł Jürgen Stefan Felix Jonas Arthur Théo Raphaël Omar Yusuf Arjun Ravi Wei Hiro Kenji Daniel
David Thomas Peter Paul Simon Martin James William Jack
""".split()
LAST = """
Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Hoffmann Schäfer Dubois Durand Leroy Moreau Simon Laurent
Lefèvre Garnier Faure Rossi Russo Ferrari Esposito Bianchi Romano García Fernández González Rodríguez López Martínez
Sánchez Pérez Gómez Silva Santos Ferreira Pereira Oliveira Costa Jansen Visser Smit Bakker Peeters Maes Nowak Kowalski
Wiśniewski Wójcik Kamiński Andersson Johansson Karlsson Nilsson Hansen Olsen Larsen Smith Jones Williams Brown Taylor
Davies Wilson Evans Thomas Roberts Walker Johnson Miller Davis Wright Hall O'Brien O'Connor Murphy Kelly Byrne Ryan
Tremblay Gagnon Roy Bouchard Tanaka Suzuki Sato Watanabe Yamamoto Kaya Demir Singh Kumar Patel
""".split()
# country -> (share of customers, cities)
COUNTRIES: dict[str, tuple[float, tuple[str, ...]]] = {
    "Germany": (0.17, ("Berlin", "Hamburg", "München", "Köln", "Leipzig", "Nürnberg")),
    "France": (0.16, ("Paris", "Lyon", "Marseille", "Nîmes", "Saint-Étienne", "Lille")),
    "United Kingdom": (0.14, ("London", "Manchester", "Leeds", "Bristol", "Glasgow")),
    "United States": (0.13, ("New York", "Chicago", "Houston", "Seattle", "Boston", "Denver")),
    "Spain": (0.08, ("Madrid", "Barcelona", "Málaga", "Sevilla", "A Coruña")),
    "Italy": (0.08, ("Roma", "Milano", "Torino", "Napoli", "Bologna")),
    "Netherlands": (0.06, ("Amsterdam", "Rotterdam", "Utrecht", "Groningen")),
    "Poland": (0.05, ("Warszawa", "Kraków", "Łódź", "Gdańsk", "Poznań")),
    "Sweden": (0.04, ("Stockholm", "Göteborg", "Malmö", "Uppsala")),
    "Canada": (0.04, ("Toronto", "Montréal", "Vancouver", "Québec")),
    "Japan": (0.03, ("Tokyo", "Osaka", "Kyoto", "Sapporo")),
    "Ireland": (0.02, ("Dublin", "Cork", "Galway")),
}
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com")
BRANDS = {
    "smart phone": ("Aurora", "Platina", "Nordic", "Kestrel", "Bolt", "Hana", "Orbit"),
    "laptop": ("Quill", "Nordic", "Vector", "Basalt", "Kestrel", "Folio"),
    "television": ("Lumen", "Hana", "Basalt", "Vista", "Orbit"),
    "book": ("Heron Press", "Northlight", "Sable & Co", "Paper Boat", "Éditions du Lac", "Zwölf Verlag"),
    "toy": ("Retrix", "Woodling", "Brixo", "Papillon", "Teddyhaus", "Marble Run"),
    "sports": ("Summit", "Rapid", "Ostra", "Fjäll", "Tempo"),
    "software": ("Inkwell", "Ledgerly", "Pixelmill", "Guardia", "Tessera"),
}
LAUNCHED_BRAND, ENDED_BRAND = "Aurora", "Retrix"  # the line of phones that starts, the line of toys that ends
ADJECTIVES = """
Amber Arctic Bold Bright Calm Clever Coral Crimson Deep Early Golden Grand Hidden Ivory Jolly Late Lunar Noble Quiet Rapid
Silver Tiny
""".split()
NOUNS = """
Atlas Bridge Canyon Comet Delta Echo Falcon Forest Garden Harbour Island Lantern Meadow Mirror Orchard Pioneer River Saga
Tempest Voyage
""".split()
REASONS = ("defective", "not as described", "wrong size", "changed mind", "arrived late", "damaged in transit")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)
BOTS = (
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot.html)",
    "Mozilla/5.0 (compatible; SampleCrawler/1.0; +http://www.example.org/crawler)",
    "curl/8.5.0",
)
