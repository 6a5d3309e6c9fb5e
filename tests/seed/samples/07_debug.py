from tickloom.config import config
import logging
logging.getLogger("market_data").setLevel(logging.DEBUG)

# Enable detailed logging
config.log_level = "DEBUG"
